import test from "ava";
import { MessageRate } from "../../../controller/message-rate.ts";
import { FakeClock } from "../../support/fake-clock.ts";

test("a burst is taken, what is beyond it is not, and time gives it back up to the burst", (t) => {
  const clock = new FakeClock();
  const rate = new MessageRate(clock, 3, 2);
  t.deepEqual([rate.take(), rate.take(), rate.take(), rate.take()], [true, true, true, false]);
  clock.advance(500);
  t.deepEqual([rate.take(), rate.take()], [true, false]);
  clock.advance(3_600_000);
  t.deepEqual([rate.take(), rate.take(), rate.take(), rate.take()], [true, true, true, false]);
});
