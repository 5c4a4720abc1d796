import test from "ava";
import { CountedClock } from "../../../core/counted-clock.ts";
import { FakeClock } from "../../support/fake-clock.ts";

test("timers count until they have fired or were cancelled, once", (t) => {
  const fake = new FakeClock();
  const clock = new CountedClock(fake);
  let fired = 0;
  clock.after(10, () => (fired += 1));
  const cancelled = clock.after(20, () => (fired += 1));
  const repeated = clock.every(5, () => (fired += 1));
  t.is(clock.timers, 3);
  fake.advance(10);
  t.is(fired, 3);
  t.is(clock.timers, 2);
  cancelled.cancel();
  cancelled.cancel();
  t.is(clock.timers, 1);
  repeated.cancel();
  t.is(clock.timers, 0);
  t.is(fake.pendingTimers, 0);
});

test("a timer that is set within the callback of another counts by itself", (t) => {
  const fake = new FakeClock();
  const clock = new CountedClock(fake);
  clock.after(1, () => void clock.after(1, () => {}));
  fake.advance(1);
  t.is(clock.timers, 1);
  fake.advance(1);
  t.is(clock.timers, 0);
});
