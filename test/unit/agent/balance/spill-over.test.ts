import test from "ava";
import fc from "fast-check";
import { spillOverParts } from "../../../../agent/balance/spill-over.ts";

const part = fc.double({ min: 0, max: 1, noNaN: true });

test("near endpoints have everything while enough of them are able", (t) => {
  t.deepEqual(spillOverParts(1, 1, 70), { near: 1, far: 0 });
  t.deepEqual(spillOverParts(0.7, 1, 70), { near: 1, far: 0 });
});

test("below the minimum the others have a part in proportion, and everything when no near one is able", (t) => {
  t.deepEqual(spillOverParts(0.35, 1, 70), { near: 0.5, far: 0.5 });
  t.deepEqual(spillOverParts(0, 1, 70), { near: 0, far: 1 });
});

test("others that are not able either leave the near ones more", (t) => {
  t.deepEqual(spillOverParts(0.35, 0, 70), { near: 1, far: 0 });
  const { near, far } = spillOverParts(0.14, 0.14, 70);
  t.true(Math.abs(near - 0.5) < 1e-9 && Math.abs(far - 0.5) < 1e-9);
  t.deepEqual(spillOverParts(0, 0, 70), { near: 0, far: 0 });
});

test("a minimum of 0 % goes over only when no near one is able", (t) => {
  t.deepEqual(spillOverParts(0.01, 1, 0), { near: 1, far: 0 });
  t.deepEqual(spillOverParts(0, 1, 0), { near: 0, far: 1 });
});

test("the parts are a whole, and more able near ones never have less", (t) => {
  fc.assert(
    fc.property(part, part, part, fc.integer({ min: 0, max: 100 }), (a, b, far, minimum) => {
      const [less, more] = [Math.min(a, b), Math.max(a, b)];
      const parts = spillOverParts(less, far, minimum);
      const sum = parts.near + parts.far;
      const isWhole = less === 0 && far === 0 ? sum === 0 : Math.abs(sum - 1) < 1e-9;
      return isWhole && spillOverParts(more, far, minimum).near >= parts.near - 1e-9;
    }),
  );
  t.pass();
});
