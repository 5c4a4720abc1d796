import test from "ava";
import { runSteadily } from "../../../../lab/shop/run-steadily.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

test("runSteadily keeps the rate although nothing is answered, up to the limit", (t) => {
  const clock = new FakeClock();
  let started = 0;
  let skipped = 0;
  const action = () => {
    started++;
    return new Promise<void>(() => {});
  };
  const timer = runSteadily({ perSecond: 50, maxInFlight: 30 }, clock, action, () => skipped++);
  clock.advance(1000);
  t.is(started, 30);
  t.is(started + skipped, 51);
  timer.cancel();
  t.is(clock.pendingTimers, 0);
});

test("runSteadily goes on when actions end", async (t) => {
  const clock = new FakeClock();
  let started = 0;
  runSteadily(
    { perSecond: 100, maxInFlight: 1 },
    clock,
    () => Promise.resolve(void started++),
    () => {},
  );
  for (let i = 0; i < 10; i++) {
    clock.advance(10);
    // The end of an action is a promise: let it be told.
    await Promise.resolve().then(() => {});
    await Promise.resolve().then(() => {});
  }
  t.true(started >= 10, String(started));
});
