import test from "ava";
import fc from "fast-check";
import { parseRetryAfter } from "../../../../agent/http/retry-after.ts";

const NOW_MS = Date.UTC(2026, 10, 25, 4, 0, 0);

test("seconds and dates are times to wait", (t) => {
  t.is(parseRetryAfter("120", NOW_MS), 120_000);
  t.is(parseRetryAfter(" 1 ", NOW_MS), 1_000);
  t.is(parseRetryAfter("Wed, 25 Nov 2026 04:00:30 GMT", NOW_MS), 30_000);
});

test("what is over, or no time, is none", (t) => {
  for (const text of [
    "0",
    "",
    "-5",
    "1.5",
    "1e9",
    "99999999999",
    "soon",
    "Wed, 25 Nov 2026 03:59:59 GMT",
    "Wed, 32 Nov 2026 04:00:30 GMT",
    "Wednesday, 25-Nov-26 04:00:30 GMT",
    "2026-11-25T04:00:30Z",
  ]) {
    t.is(parseRetryAfter(text, NOW_MS), undefined, text);
  }
});

test("whatever is written, a time is above 0 or none", (t) => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const ms = parseRetryAfter(text, NOW_MS);
      return ms === undefined || ms > 0;
    }),
  );
  t.pass();
});
