import test from "ava";
import { addCounts, formatCounts, TapCounter } from "../../../lab/testing/tap-counter.ts";

const TAP = `TAP version 13
ok 1 - address › accepts IPv4
not ok 2 - address › accepts IPv6
  ---
    name: AssertionError
  ...
ok 3 - story › crosses nodes # SKIP
not ok 4 - story › later # TODO

1..4
# tests 4
# pass 1
# fail 1
`.split("\n");

test("the results of a TAP stream are counted, skipped ones apart", (t) => {
  const counter = new TapCounter();
  for (const line of TAP) counter.line(line);
  t.deepEqual(counter.counts, { passed: 1, failed: 1, skipped: 2 });
});

test("what explains a failure is shown, totals are not", (t) => {
  const counter = new TapCounter();
  const shown = TAP.map((line) => counter.line(line)).filter((line) => line !== undefined);
  t.deepEqual(shown, [
    "✔ address › accepts IPv4",
    "✘ address › accepts IPv6",
    "  ---",
    "    name: AssertionError",
    "  ...",
    "- story › crosses nodes (SKIPPED)",
    "- story › later (to do)",
  ]);
});

test("the final line names skipped tests only when there are any", (t) => {
  const counts = { passed: 3, failed: 1, skipped: 0 };
  t.is(formatCounts(counts), "3 passed, 1 failed");
  t.is(formatCounts(addCounts(counts, { passed: 1, failed: 0, skipped: 2 })), "4 passed, 1 failed, 2 skipped");
});
