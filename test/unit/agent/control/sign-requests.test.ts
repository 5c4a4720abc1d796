import test from "ava";
import { controlLimits } from "../../../../agent/control/limits.ts";
import { SignRequests } from "../../../../agent/control/sign-requests.ts";
import type { SignMessage } from "../../../../protocol/channel.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

test("answers reach the request they belong to, in any order", async (t) => {
  const sent: SignMessage[] = [];
  const requests = new SignRequests(new FakeClock());
  const send = (message: SignMessage): boolean => sent.push(message) > 0;
  const [first, second] = [requests.request("one", send), requests.request("two", send)];
  t.deepEqual(
    sent.map((message) => message.csr),
    ["one", "two"],
  );
  requests.answer({ kind: "sign-refused", requestId: sent[1]?.requestId ?? 0, reason: "not here" });
  requests.answer({ kind: "certificate", requestId: sent[0]?.requestId ?? 0, chain: "chain", roots: "roots" });
  t.deepEqual(await first, { chain: "chain", roots: "roots" });
  await t.throwsAsync(second, { code: "sign-refused", message: /not here/ });
});

test("an answer that nobody waits for is ignored", (t) => {
  new SignRequests(new FakeClock()).answer({ kind: "certificate", requestId: 7, chain: "", roots: "" });
  t.pass();
});

test("a request without an answer ends after its time, one without a channel at once", async (t) => {
  const clock = new FakeClock();
  const requests = new SignRequests(clock);
  const waiting = requests.request("csr", () => true);
  clock.advance(controlLimits.signMs);
  await t.throwsAsync(waiting, { code: "sign-timeout" });
  await t.throwsAsync(
    requests.request("csr", () => false),
    { code: "channel-closed" },
  );
  t.is(clock.pendingTimers, 0);
});

test("the loss of the channel ends every request, and their number is bounded", async (t) => {
  const requests = new SignRequests(new FakeClock());
  const waiting = Array.from({ length: controlLimits.pendingSignRequests }, () => requests.request("csr", () => true));
  await t.throwsAsync(
    requests.request("csr", () => true),
    { code: "too-many-requests" },
  );
  requests.rejectAll();
  const results = await Promise.allSettled(waiting);
  t.true(results.every((result) => result.status === "rejected"));
  const next = requests.request("csr", () => true);
  requests.rejectAll();
  await t.throwsAsync(next, { code: "channel-closed" });
});
