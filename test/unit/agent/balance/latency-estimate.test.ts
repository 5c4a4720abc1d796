import test from "ava";
import { LatencyEstimate } from "../../../../agent/balance/latency-estimate.ts";

test("a peak counts at once", (t) => {
  const estimate = new LatencyEstimate();
  estimate.observe(1, 0);
  estimate.observe(100, 0);
  t.is(estimate.cost(0, 0), 100);
});

test("better times come in slowly", (t) => {
  const estimate = new LatencyEstimate();
  estimate.observe(100, 0);
  estimate.observe(1, 1_000);
  const cost = estimate.cost(0, 1_000);
  t.true(cost > 85 && cost < 95, String(cost));
});

test("a latency that is not refreshed fades", (t) => {
  const estimate = new LatencyEstimate();
  estimate.observe(100, 0);
  t.true(estimate.cost(0, 30_000) < 6);
});

test("a time that was not waited to its end can only speak against it", (t) => {
  const estimate = new LatencyEstimate();
  estimate.observe(100, 0);
  estimate.observeAtLeast(40, 1_000);
  t.true(estimate.cost(0, 1_000) > 90);
  estimate.observeAtLeast(40, 30_000);
  t.is(estimate.cost(0, 30_000), 40, "when less is left of what was known");
  estimate.observeAtLeast(200, 30_000);
  t.is(estimate.cost(0, 30_000), 200);
});

test("connections under way make the next one dearer", (t) => {
  const estimate = new LatencyEstimate();
  estimate.observe(10, 0);
  t.is(estimate.cost(3, 0), 40);
});

test("an endpoint never measured is free while idle and dear while it has an unanswered connection", (t) => {
  const estimate = new LatencyEstimate();
  t.is(estimate.cost(0, 0), 0);
  t.true(estimate.cost(1, 0) >= 1_000);
});
