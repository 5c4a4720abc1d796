import test from "ava";
import { FrameRate } from "../../../../agent/http2/frame-rate.ts";

test("admits a burst, then a rate, and forgets", (t) => {
  const rate = new FrameRate(3, 2);
  t.deepEqual(
    [0, 0, 0, 0].map((nowMs) => rate.admits(nowMs)),
    [true, true, true, false],
  );
  // A frame that was not admitted counts too: half a second for each.
  t.false(rate.admits(400));
  t.true(rate.admits(60_000));
  t.deepEqual(
    [500, 1_000, 1_500].map((ms) => rate.admits(60_000 + ms)),
    [true, true, true],
  );
});
