import test from "ava";
import { median, reportTable, type Slice } from "../../../bpf-notes/report-table.ts";

function slice(labUs: number, units = 10, stolenUs = 0): Slice {
  return {
    result: { units, unitsPerSecond: units, p50Ms: 1, failed: 0 },
    cpu: { agentsUs: labUs / 2, labUs, machineUs: labUs, softirqUs: 1, stolenUs },
  };
}

test("report: ratios are taken within a round, then their median", (t) => {
  // The machine is twice as slow in the second round: the arms' ratio is the same in all.
  const lines = reportTable(
    ["as is", "other"],
    [
      [slice(100), slice(200), slice(100)],
      [slice(80), slice(160), slice(80)],
    ],
  );
  t.regex(lines[2] ?? "", /^other .*8\.00 x0\.80 \[0\.80-0\.80\]/);
});

test("report: failures and stolen time are shown", (t) => {
  const failed = { ...slice(100, 10, 100), result: { units: 10, unitsPerSecond: 10, p50Ms: 1, failed: 3 } };
  t.regex(reportTable(["as is"], [[failed]])[1] ?? "", /50\.0 % \(3 FAILED\)$/);
});

test("median: of an even number of values the middle, of none no number", (t) => {
  t.is(median([4, 1, 3, 2]), 2.5);
  t.is(median([]), Number.NaN);
});
