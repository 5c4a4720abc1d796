import test from "ava";
import { formatBytes, formatCount, formatMs, formatRemaining } from "../../../../lab/view/format-quantity.ts";
import { textTable } from "../../../../lab/view/text-table.ts";

test("formatBytes keeps three digits", (t) => {
  t.deepEqual([0, 999, 1000, 12_345, 999_500, 1.5e9, 1e16].map(formatBytes), [
    "0 B",
    "999 B",
    "1.00 kB",
    "12.3 kB",
    "1.00 MB",
    "1.50 GB",
    "1.00e+4 TB",
  ]);
});

test("formatMs keeps three digits", (t) => {
  t.deepEqual([0, 0.424, 12.34, 512.4].map(formatMs), ["0.00", "0.42", "12.3", "512"]);
});

test("formatRemaining uses the unit that fits, and says expired", (t) => {
  const hourMs = 3_600_000;
  t.deepEqual([-1, 45_000, 20 * 60_000, 23.94 * hourMs, 240 * hourMs].map(formatRemaining), [
    "expired",
    "45 s",
    "20 min",
    "23.9 h",
    "10 d",
  ]);
});

test("formatCount groups thousands", (t) => {
  t.is(formatCount(1_234_567), "1,234,567");
});

test("textTable aligns columns and ends lines without spaces", (t) => {
  const columns = [
    { title: "NAME", align: "left" },
    { title: "N", align: "right" },
    { title: "END", align: "left" },
  ] as const;
  t.deepEqual(textTable(columns, [["a", "100", ""], ["bcdef"]]), ["NAME     N  END", "a      100", "bcdef"]);
});
