import test from "ava";
import fc from "fast-check";
import { GrowingShare } from "../../../../agent/balance/growing-share.ts";

test("a share is whole until it is begun", (t) => {
  t.is(new GrowingShare().at(0), 1);
});

test("a share that was begun grows evenly to the whole, and waits for a beginning that is to come", (t) => {
  const share = new GrowingShare();
  share.begin(1_000, 10_000, 0.1);
  const parts = [0, 1_000, 6_000, 11_000, 99_000].map((nowMs) => share.at(nowMs));
  t.deepEqual(parts, [0.1, 0.1, 0.55, 1, 1]);
});

test("a share never shrinks and is never nothing", (t) => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(10_000), fc.nat(30_000), fc.nat(30_000), (start, window, a, b) => {
      const share = new GrowingShare();
      share.begin(start, window, 0.1);
      const [early, late] = [share.at(Math.min(a, b)), share.at(Math.max(a, b))];
      return early > 0 && early <= late && late <= 1;
    }),
  );
  t.pass();
});
