import test from "ava";
import fc from "fast-check";
import { LatencyHistogram } from "../../../../agent/balance/latency-histogram.ts";

test("without observations the median is 0, also after they were cleared", (t) => {
  const histogram = new LatencyHistogram();
  t.is(histogram.median(), 0);
  histogram.add(5);
  histogram.clear();
  t.deepEqual([histogram.median(), histogram.total], [0, 0]);
});

test("the median is within a bucket of the true one, whatever came", (t) => {
  const latencies = fc.array(fc.double({ min: 0.1, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(latencies, (observed) => {
      const histogram = new LatencyHistogram();
      for (const latencyMs of observed) histogram.add(latencyMs);
      const sorted = observed.toSorted((a, b) => a - b);
      const lower = sorted[(sorted.length - 1) >>> 1] ?? 0;
      const ratio = histogram.median() / lower;
      return ratio > 0.9 && ratio < 1.1;
    }),
  );
  t.pass();
});

test("what is outside its range counts at its ends", (t) => {
  const histogram = new LatencyHistogram();
  histogram.add(0);
  t.true(histogram.median() < 0.1);
  histogram.clear();
  histogram.add(10_000_000);
  t.true(histogram.median() > 100_000);
});
