import test from "ava";
import { DemandEstimate } from "../../../core/demand-estimate.ts";

test("more is believed at once", (t) => {
  const demand = new DemandEstimate(500);
  t.is(demand.rate, 0);
  demand.observe(20, 200);
  t.is(demand.rate, 0.1);
  demand.observe(100, 200);
  t.is(demand.rate, 0.5);
});

test("less is believed by and by", (t) => {
  const demand = new DemandEstimate(500);
  demand.observe(100, 100);
  demand.observe(0, 500);
  t.true(Math.abs(demand.rate - Math.exp(-1)) < 1e-9);
});
