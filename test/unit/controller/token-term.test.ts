import test from "ava";
import type { Authentication } from "../../../controller/agent-authenticator.ts";
import { timers } from "../../../controller/limits.ts";
import { TokenTerm } from "../../../controller/token-term.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const HOUR = 3_600_000;

function bench(answers: readonly Authentication[]) {
  const clock = new FakeClock();
  const asked: string[] = [];
  let ended = 0;
  const authenticate = async (token: string): Promise<Authentication> => {
    asked.push(token);
    return answers[asked.length - 1] ?? { refused: "token", detail: "expired" };
  };
  const term = new TokenTerm({
    authenticator: { authenticate },
    token: "mine",
    node: "node-1",
    expiresAtMs: clock.nowMs() + HOUR,
    clock,
    onOver: () => {
      ended += 1;
    },
  });
  term.start();
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await Promise.resolve();
    await Promise.resolve();
  };
  return { clock, asked, term, pass, ended: () => ended };
}

test("a channel ends with its token, and not before", async (t) => {
  const { asked, pass, ended, clock } = bench([]);
  await pass(HOUR - 1);
  t.deepEqual(asked, []);
  await pass(1);
  t.deepEqual(asked, ["mine"]);
  t.is(ended(), 1);
  t.is(clock.pendingTimers, 0);
});

test("a channel stays while nobody can judge its token, and ends when somebody can", async (t) => {
  const away: Authentication = { refused: "api-unreachable", detail: "no answer" };
  const { asked, pass, ended } = bench([away, away, { node: "node-1" }]);
  await pass(HOUR);
  for (let step = 0; step < 2; step += 1) await pass(timers.tokenStepMs);
  t.is(asked.length, 3);
  t.is(ended(), 0, "the third answer was that it is still good: clocks differ");
  await pass(timers.tokenStepMs);
  t.is(ended(), 1);
});

test("a token that speaks for another node now ends the channel", async (t) => {
  const { pass, ended } = bench([{ node: "node-2" }]);
  await pass(HOUR);
  t.is(ended(), 1);
});

test("nothing is asked for a channel that has closed", async (t) => {
  const { asked, pass, term, clock, ended } = bench([]);
  term.cancel();
  await pass(2 * HOUR);
  t.deepEqual(asked, []);
  t.is(ended(), 0);
  t.is(clock.pendingTimers, 0);
});
