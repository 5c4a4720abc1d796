import test from "ava";
import fc from "fast-check";
import { parseDurationMs } from "../../../../protocol/documents/duration.ts";

const DURATIONS: [string, number | undefined][] = [
  ["10s", 10_000],
  ["250ms", 250],
  ["1h30m", 5_400_000],
  ["1m1ms", 60_001],
  ["0s", 0],
  ["99999h", 99999 * 3_600_000],
  ["100000h", undefined],
  ["1h1m1s1ms1ms", undefined],
  ["10", undefined],
  ["1.5s", undefined],
  ["-1s", undefined],
  ["1 s", undefined],
  ["1d", undefined],
  ["", undefined],
];

for (const [text, expected] of DURATIONS) {
  test(`duration "${text}" is ${expected === undefined ? "none" : `${expected} ms`}`, (t) => {
    t.is(parseDurationMs(text), expected);
  });
}

test("a duration of any parts is their sum", (t) => {
  const part = fc.nat(99_999);
  fc.assert(
    fc.property(part, part, part, part, (h, m, s, ms) => {
      t.is(parseDurationMs(`${h}h${m}m${s}s${ms}ms`), h * 3_600_000 + m * 60_000 + s * 1000 + ms);
    }),
  );
});
