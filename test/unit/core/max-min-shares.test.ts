import test from "ava";
import fc from "fast-check";
import { cappedShares, maxMinShares } from "../../../core/max-min-shares.ts";

test("whoever wants less than an equal part leaves the rest to the others", (t) => {
  t.deepEqual(cappedShares(500, [1_000, 150, 150]), [200, 150, 150]);
  t.deepEqual(cappedShares(90, [100, 100, 100]), [30, 30, 30]);
  t.deepEqual(cappedShares(100, [10, 20]), [10, 20]);
});

test("what nobody wants is spread evenly", (t) => {
  t.deepEqual(maxMinShares(100, [10, 20]), [45, 55]);
  t.deepEqual(maxMinShares(100, [0]), [100]);
});

test("nothing is divided among nobody, and nothing of nothing", (t) => {
  t.deepEqual(maxMinShares(100, []), []);
  t.deepEqual(maxMinShares(0, [5, 5]), [0, 0]);
  t.deepEqual(maxMinShares(-1, [5]), [0]);
});

test("shares add up to the capacity, and nobody has more than one who wants for more", (t) => {
  const demands = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), demands, (capacity, wanted) => {
      const shares = maxMinShares(capacity, wanted);
      const total = shares.reduce((sum, share) => sum + share, 0);
      t.true(Math.abs(total - capacity) <= 1e-6 * Math.max(1, capacity));
      const most = Math.max(...shares);
      const isShort = shares.map((share, index) => share < (wanted[index] as number) - 1e-6);
      const least = Math.min(...shares.filter((_, index) => isShort[index]));
      t.true(least === Infinity || most <= least + 1e-6 * Math.max(1, most));
    }),
  );
});
