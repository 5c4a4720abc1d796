import test from "ava";
import { quotaLimits } from "../../../../agent/quota/limits.ts";
import type { WorkerQuotaUsage } from "../../../../agent/quota/quota-messages.ts";
import { WorkerQuotas } from "../../../../agent/quota/worker-quotas.ts";
import { QUOTA_IDLE_MS } from "../../../../protocol/quota.ts";
import type { Quota } from "../../../../protocol/route-table.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const TELL_MS = 100;

function quota(name: string): Quota {
  return { name, requests: 100, perMs: 1_000, policy: "shop/p", scope: "Service shop/catalog" };
}

function setUp(allowance = 2) {
  const clock = new FakeClock();
  const told: WorkerQuotaUsage[][] = [];
  const limits: string[] = [];
  const quotas = new WorkerQuotas({
    clock,
    post: (usage) => told.push([...usage]),
    allowance: () => allowance,
    onLimit: (name) => limits.push(name),
  });
  return { clock, told, limits, quotas };
}

test("the first request is told at once, then what there was every 100 ms, until a second without requests", (t) => {
  const { clock, told, quotas } = setUp();
  t.is(quotas.admit([quota("a")]), undefined);
  t.is(told.length, 1);
  t.like(told[0]?.[0], { name: "a", requests: 100, perMs: 1_000, overMs: TELL_MS, wanted: 1, admitted: 1, unused: 0 });
  quotas.admit([quota("a")]);
  t.not(quotas.admit([quota("a")]), undefined);
  clock.advance(TELL_MS);
  t.like(told[1]?.[0], { overMs: TELL_MS, wanted: 2, admitted: 1 });
  clock.advance(QUOTA_IDLE_MS + TELL_MS);
  const { length } = told;
  t.is(clock.pendingTimers, 0);
  clock.advance(10 * TELL_MS);
  t.is(told.length, length);
  quotas.admit([quota("a")]);
  t.is(told.length, length + 1, "it begins anew");
});

test("of several quotas all admit, or none is charged", (t) => {
  const { quotas, clock } = setUp();
  quotas.admit([quota("b")]);
  quotas.admit([quota("b")]);
  const refusal = quotas.admit([quota("a"), quota("b")]);
  t.is(refusal?.quota.name, "b");
  t.true((refusal?.retryAfterMs ?? 0) > 0 && Number.isFinite(refusal?.retryAfterMs));
  t.is(quotas.admit([quota("a")]), undefined);
  t.is(quotas.admit([quota("a")]), undefined, "nothing was taken from it");
  clock.advance(1);
});

test("what it may is what the main thread says, and a rate of a quota that nobody asked for is ignored", (t) => {
  const { quotas, clock } = setUp(1);
  quotas.admit([quota("a")]);
  quotas.setRates([
    { name: "a", rate: 0.01, burst: 1, reserve: 0, credit: 0 },
    { name: "unknown", rate: 1, burst: 1, reserve: 0, credit: 0 },
  ]);
  t.is(quotas.admit([quota("a")])?.retryAfterMs, 100);
  clock.advance(100);
  t.is(quotas.admit([quota("a")]), undefined);
});

test("what was not needed while nobody asked is nobody's", (t) => {
  const { quotas, clock, told } = setUp();
  quotas.admit([quota("a")]);
  quotas.setRates([{ name: "a", rate: 0.01, burst: 1, reserve: 0, credit: 0 }]);
  clock.advance(60_000);
  quotas.admit([quota("a")]);
  t.is(told.at(-1)?.[0]?.unused, 0);
});

test("more quotas than can be counted: the one that began first begins anew", (t) => {
  const { quotas, limits } = setUp(1);
  for (let index = 0; index <= quotaLimits.quotas; index += 1) quotas.admit([quota(`q${index}`)]);
  t.deepEqual(limits, ["quotas"]);
  t.is(quotas.admit([quota("q0")]), undefined);
  quotas.close();
});
