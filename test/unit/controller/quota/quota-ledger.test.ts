import test from "ava";
import { type QuotaGrant, QuotaLedger, type QuotaSituation } from "../../../../controller/quota/quota-ledger.ts";
import type { QuotaUsage } from "../../../../protocol/channel.ts";
import { QUOTA_LEASE_MS } from "../../../../protocol/quota.ts";

const LEASABLE = 495;
const NODES = new Set(["a", "b", "c"]);
const calm: QuotaSituation = { nodes: NODES, present: NODES, frozen: false };

function usage(wanted: number, changes: Partial<QuotaUsage> = {}): QuotaUsage {
  return { name: "q", overMs: 200, wanted, admitted: wanted, unused: 0, lease: 0, share: 0, ...changes };
}

function ledger(): QuotaLedger {
  let id = 0;
  return new QuotaLedger({ requests: 500, perMs: 1_000 }, () => ++id);
}

function shares(grants: readonly QuotaGrant[]): Readonly<Record<string, number>> {
  return Object.fromEntries(grants.map(({ agent, share }) => [agent, Math.round(share)]));
}

test("one who asks alone gets all that can be leased", (t) => {
  const quota = ledger();
  quota.report("a/1", "a", usage(1), 0);
  t.deepEqual(shares(quota.settle(calm, 0)), { "a/1": LEASABLE });
});

test("a share is given on when its holder has said that he has less", (t) => {
  const quota = ledger();
  quota.report("a/1", "a", usage(200), 0);
  const [first] = quota.settle(calm, 0);
  quota.report("a/1", "a", usage(200, { lease: first?.id ?? 0, share: LEASABLE }), 200);
  quota.settle(calm, 200);
  quota.report("b/1", "b", usage(200), 250);
  const split = quota.settle(calm, 250);
  t.deepEqual(shares(split), { "a/1": 248, "b/1": 0 });
  const smaller = split.find(({ agent }) => agent === "a/1")?.id ?? 0;
  quota.report("a/1", "a", usage(0, { overMs: 0, lease: smaller, share: 247.5 }), 300);
  t.deepEqual(shares(quota.settle(calm, 300)), { "a/1": 248, "b/1": 248 });
});

test("or when his lease has ended", (t) => {
  const quota = ledger();
  quota.report("a/1", "a", usage(200), 0);
  quota.settle(calm, 0);
  quota.left("a/1");
  quota.report("b/1", "b", usage(200), 100);
  const away = { ...calm, present: new Set(["b", "c"]) };
  t.deepEqual(shares(quota.settle(away, 100)), { "b/1": 0 });
  quota.report("b/1", "b", usage(200), QUOTA_LEASE_MS);
  t.deepEqual(shares(quota.settle(away, QUOTA_LEASE_MS)), { "b/1": 330 }, "its fair share stays set aside");
});

test("who says that he is idle holds nothing", (t) => {
  const quota = ledger();
  quota.report("a/1", "a", usage(200), 0);
  quota.settle(calm, 0);
  quota.report("a/1", "a", usage(0, { idle: true }), 500);
  t.true(quota.isIdle);
  quota.report("b/1", "b", usage(1), 500);
  t.deepEqual(shares(quota.settle(calm, 500)), { "b/1": LEASABLE });
});

test("frozen: each keeps what he says he has, and nobody gets more", (t) => {
  const quota = ledger();
  quota.report("a/1", "a", usage(200, { lease: 99, share: 300 }), 0);
  quota.report("b/1", "b", usage(200), 0);
  t.deepEqual(shares(quota.settle({ ...calm, frozen: true }, 0)), { "a/1": 300, "b/1": 0 });
});

test("what is said to be held is believed up to what there is", (t) => {
  const quota = ledger();
  quota.report("a/1", "a", usage(1e12, { share: 1e12, unused: 1e12, overMs: 1e-9 }), 0);
  t.deepEqual(shares(quota.settle(calm, 0)), { "a/1": LEASABLE });
  quota.report("b/1", "b", usage(10), 10);
  const [a] = quota.settle(calm, 10);
  t.true((a?.share ?? 0) < LEASABLE);
  t.true((a?.credit ?? 0) <= 25);
});

test("what could not be kept goes once to those who had to refuse", (t) => {
  const quota = ledger();
  quota.report("a/1", "a", usage(200), 0);
  const [lease] = quota.settle(calm, 0);
  const held = { lease: lease?.id ?? 0, share: LEASABLE };
  quota.report("a/1", "a", usage(200, { ...held, admitted: 100 }), 200);
  t.is(quota.settle(calm, 200)[0]?.credit, 25, "what a quota that nobody used has in store");
  quota.report("b/1", "b", usage(0, { unused: 10 }), 300);
  quota.report("a/1", "a", usage(200, { ...held, admitted: 100 }), 300);
  const credits = Object.fromEntries(quota.settle(calm, 300).map(({ agent, credit }) => [agent, Math.round(credit)]));
  t.deepEqual(credits, { "a/1": 10, "b/1": 0 });
});

test("an agent of another life of the same node is another holder", (t) => {
  const quota = ledger();
  quota.report("a/1", "a", usage(200), 0);
  quota.settle(calm, 0);
  quota.left("a/1");
  quota.report("a/2", "a", usage(200), 100);
  t.deepEqual(shares(quota.settle(calm, 100)), { "a/2": 0 });
  quota.report("a/2", "a", usage(200), QUOTA_LEASE_MS + 1);
  t.deepEqual(shares(quota.settle(calm, QUOTA_LEASE_MS + 1)), { "a/2": LEASABLE });
});
