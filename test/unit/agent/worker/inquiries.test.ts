import test from "ava";
import { Inquiries } from "../../../../agent/worker/inquiries.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

test("a question is over when every worker has answered", async (t) => {
  const clock = new FakeClock();
  const inquiries = new Inquiries<string>(clock);
  const asked: number[] = [];
  const answers = inquiries.ask([0, 1], (worker, id) => {
    asked.push(worker);
    // As ports do: later.
    queueMicrotask(() => inquiries.answer(id, worker, `of ${worker}`));
    return true;
  });
  t.deepEqual(asked, [0, 1]);
  t.deepEqual(await answers, ["of 0", "of 1"]);
  t.is(clock.pendingTimers, 0);
});

test("who is not there, dies or is silent does not keep the others' answers back", async (t) => {
  const clock = new FakeClock();
  const inquiries = new Inquiries<string>(clock);
  let id = 0;
  const post = (worker: number, asked: number): boolean => {
    id = asked;
    return worker !== 0;
  };
  const first = inquiries.ask([0, 1, 2], post);
  inquiries.answer(id, 1, "one");
  inquiries.forget(2);
  t.deepEqual(await first, ["one"]);
  const second = inquiries.ask([1, 2], post);
  inquiries.answer(id, 2, "two");
  clock.advance(1_000);
  t.deepEqual(await second, ["two"]);
  inquiries.answer(id, 1, "late");
  t.deepEqual(await inquiries.ask([], post), []);
});
