import { setImmediate as nextTurn } from "node:timers/promises";
import test from "ava";
import { TurnClock } from "../../../core/turn-clock.ts";
import { FakeClock } from "../../support/fake-clock.ts";

test("the monotonic time is that of the turn's first reading; the next turn has its own", async (t) => {
  const fake = new FakeClock();
  const clock = new TurnClock(fake);
  const first = clock.monotonicMs();
  fake.advance(5);
  t.is(clock.monotonicMs(), first);
  await Promise.resolve();
  t.is(clock.monotonicMs(), first, "what follows at once is of the same turn");
  await nextTurn();
  t.is(clock.monotonicMs(), first + 5);
  fake.advance(5);
  await nextTurn();
  t.is(clock.monotonicMs(), first + 10, "also without a reading in the turn before");
});

test("the time of day and timers are the clock's", (t) => {
  const fake = new FakeClock();
  const clock = new TurnClock(fake);
  const now = clock.nowMs();
  let fired = 0;
  clock.after(10, () => (fired += 1));
  const timer = clock.every(10, () => (fired += 1));
  fake.advance(10);
  t.is(clock.nowMs(), now + 10);
  t.is(fired, 2);
  timer.cancel();
  fake.advance(10);
  t.is(fired, 2);
});
