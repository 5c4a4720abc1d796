import test from "ava";
import fc from "fast-check";
import { evenDraws } from "../../../../agent/http/even-draws.ts";

test("of any 1,000 draws in a row, a share has its part within four", (t) => {
  const part = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
  fc.assert(
    fc.property(part, part, fc.nat(100_000), (start, share, skipped) => {
      const draw = evenDraws(start);
      for (let index = 0; index < skipped; index += 1) draw();
      let inside = 0;
      for (let index = 0; index < 1_000; index += 1) if (draw() < share) inside += 1;
      return Math.abs(inside - 1_000 * share) < 4;
    }),
  );
  t.pass();
});

test("the requests of one rule among those of others have their shares too", (t) => {
  for (const others of [1, 2, 4, 9]) {
    const draw = evenDraws(0.3);
    let inside = 0;
    for (let index = 0; index < 1_000; index += 1) {
      if (draw() < 0.1) inside += 1;
      for (let other = 0; other < others; other += 1) draw();
    }
    t.true(Math.abs(inside - 100) < 5, `${inside} beside ${others}`);
  }
});

test("every draw is in [0, 1), and rows that begin elsewhere are elsewhere", (t) => {
  const [one, other] = [evenDraws(0.999), evenDraws(0.5)];
  for (let index = 0; index < 10_000; index += 1) {
    const drawn = one();
    if (drawn < 0 || drawn >= 1 || drawn === other()) t.fail(String(drawn));
  }
  t.pass();
});
