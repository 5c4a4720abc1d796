import test from "ava";
import fc from "fast-check";
import {
  addCounts,
  type LatencyCounts,
  LatencyHistogram,
  percentileMs,
  subtractCounts,
} from "../../../../lab/shop/latency-histogram.ts";

function countsOf(latenciesMs: readonly number[]): LatencyCounts {
  const histogram = new LatencyHistogram();
  for (const latencyMs of latenciesMs) histogram.record(latencyMs);
  return histogram.counts();
}

test("percentileMs is right within 3 % and a microsecond", (t) => {
  const latencies = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 200 });
  const property = fc.property(latencies, fc.double({ min: 0.01, max: 1, noNaN: true }), (list, share) => {
    const exact = [...list].sort((a, b) => a - b)[Math.ceil(list.length * share) - 1] ?? 0;
    const found = percentileMs(countsOf(list), share);
    t.true(Math.abs(found - exact) <= exact * 0.03 + 0.001, `${found} instead of ${exact}`);
  });
  fc.assert(property, { numRuns: 300 });
});

test("percentileMs of nothing is 0", (t) => {
  t.is(percentileMs([], 0.99), 0);
});

test("LatencyHistogram takes negative, enormous and infinite values without losing them", (t) => {
  const counts = countsOf([-1, 1e12, Number.POSITIVE_INFINITY]);
  t.is(
    counts.reduce((sum, [, count]) => sum + count, 0),
    3,
  );
});

test("subtractCounts undoes addCounts", (t) => {
  const latencies = fc.array(fc.double({ min: 0, max: 1000, noNaN: true }));
  const property = fc.property(latencies, latencies, (before, since) => {
    const first = countsOf(before);
    const second = countsOf(since);
    t.deepEqual(subtractCounts(addCounts([first, second]), first), second);
  });
  fc.assert(property);
});

test("subtractCounts takes everything when the process started anew", (t) => {
  t.deepEqual(subtractCounts(countsOf([1]), countsOf([1, 1, 2])), countsOf([1]));
});
