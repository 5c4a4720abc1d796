import test from "ava";
import { httpLimits } from "../../../../agent/http/limits.ts";
import { RetryBudgets } from "../../../../agent/http/retry-budgets.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const SHARE = { percent: 20, intervalMs: 10_000, minRetries: 0, minRetriesIntervalMs: 1_000 };

function setUp() {
  const clock = new FakeClock();
  const hits: string[] = [];
  return { clock, hits, budgets: new RetryBudgets(clock, (name) => hits.push(name)) };
}

function retriesOf(budgets: RetryBudgets, budget: typeof SHARE, asked: number, service = "shop/catalog"): number {
  return Array.from({ length: asked }, () => budgets.retry(service, budget)).filter(Boolean).length;
}

test("retries are a share of the requests", (t) => {
  const { budgets } = setUp();
  t.is(retriesOf(budgets, SHARE, 10), 0);
  for (let count = 0; count < 100; count += 1) budgets.requested("shop/catalog", SHARE);
  t.is(retriesOf(budgets, SHARE, 100), 20);
  t.is(retriesOf(budgets, SHARE, 100, "shop/other"), 0);
});

test("requests count for one interval, and fade over the next", (t) => {
  const { clock, budgets } = setUp();
  for (let count = 0; count < 100; count += 1) budgets.requested("shop/catalog", SHARE);
  clock.advance(SHARE.intervalMs * 1.5);
  t.is(retriesOf(budgets, SHARE, 100), 10);
  clock.advance(SHARE.intervalMs * 2);
  t.is(retriesOf(budgets, SHARE, 100), 0);
});

test("a minimum is granted per interval of its own, whatever the share", (t) => {
  const { clock, budgets } = setUp();
  const budget = { ...SHARE, minRetries: 3 };
  t.is(retriesOf(budgets, budget, 10), 3);
  clock.advance(2 * budget.minRetriesIntervalMs);
  t.is(retriesOf(budgets, budget, 10), 3);
});

test("services that are counted are bounded", (t) => {
  const { hits, budgets } = setUp();
  for (let index = 0; index <= httpLimits.retryBudgets; index += 1) budgets.requested(`shop/${index}`, SHARE);
  t.deepEqual(hits, ["retryBudgets"]);
});
