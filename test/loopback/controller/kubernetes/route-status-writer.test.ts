import test from "ava";
import type { ExecutionContext } from "ava";
import { Registry } from "prom-client";
import { type Clock, systemClock } from "../../../../core/clock.ts";
import type { RouteParentStatus } from "../../../../controller/kubernetes/route-objects.ts";
import { RouteStatusWriter } from "../../../../controller/kubernetes/route-status-writer.ts";
import { parseDocuments } from "../../../../protocol/documents/parse-documents.ts";
import { isKind } from "../../../../routing/is-kind.ts";
import { SourceMetrics } from "../../../../controller/kubernetes/source-metrics.ts";
import { ApiDouble } from "../../../support/api-double.ts";
import { eventually } from "../../../support/eventually.ts";
import { RecordingLog } from "../../../support/recording-log.ts";

const ROUTES = "httproutes.gateway.networking.k8s.io";
const ROUTE = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/r";
const SPEC = { parentRefs: [{ group: "", kind: "Service", name: "catalog" }] };
const { documents } = parseDocuments(
  "{ apiVersion: v1, kind: Service, metadata: { name: catalog, namespace: shop }, spec: { ports: [{ port: 80 }] } }",
  "services.yaml",
);
const services = documents.filter(isKind("Service"));

/** What waits for seconds waits for milliseconds. */
const hurried: Clock = {
  ...systemClock,
  after: (ms, callback) => systemClock.after(ms / 50, callback),
  every: (ms, callback) => systemClock.every(ms / 50, callback),
};

async function open(t: ExecutionContext, options: { readonly isLeader?: () => boolean } = {}) {
  const double = await ApiDouble.start();
  const client = double.client();
  const log = new RecordingLog();
  const writer = new RouteStatusWriter({
    client,
    isLeader: options.isLeader ?? (() => true),
    referenced: () => services,
    onChange: () => {},
    metrics: new SourceMetrics(new Registry()),
    clock: hurried,
    random: Math.random,
    log,
  });
  t.teardown(async () => {
    await writer.close();
    client.close();
    await double.stop();
  });
  return { double, writer, log };
}

function parentsOf(double: ApiDouble): readonly RouteParentStatus[] | undefined {
  const status = double.object(ROUTE)?.["status"] as { parents?: readonly RouteParentStatus[] } | undefined;
  return status?.parents;
}

test("a Gateway API that is installed later is picked up, and its routes get their status", async (t) => {
  const { double, writer, log } = await open(t);
  writer.start();
  await eventually("the absent resource is looked for", () => double.audit.length >= 6);
  double.install(ROUTES);
  double.put(ROUTE, { metadata: {}, spec: SPEC });
  const parents = await eventually("the status", () => parentsOf(double));
  t.deepEqual(
    parents[0]?.conditions.map(({ reason }) => reason),
    ["Accepted", "ResolvedRefs"],
  );
  t.deepEqual(log.lines, []);
});

test("a status that somebody else changed meanwhile is written anew on top of theirs", async (t) => {
  const { double, writer } = await open(t);
  double.install(ROUTES);
  double.put(ROUTE, { metadata: {}, spec: SPEC });
  const theirs = { parentRef: { name: "gateway" }, controllerName: "example.com/gateway", conditions: [] };
  let conflicts = 0;
  double.answer = ({ verb }) => {
    if (verb === "patch" && conflicts++ === 0) {
      const route = double.object(ROUTE);
      double.put(ROUTE, { ...route, status: { parents: [theirs] } });
    }
    return undefined;
  };
  writer.start();
  const parents = await eventually("both entries", () => parentsOf(double)?.length === 2 && parentsOf(double));
  t.deepEqual(parents[0], theirs);
  t.is(double.audit.filter(({ verb }) => verb === "patch").length, 2);
});

test("who does not lead writes nothing, and everything when it does", async (t) => {
  let isLeader = false;
  const { double, writer } = await open(t, { isLeader: () => isLeader });
  double.install(ROUTES);
  for (let n = 0; n < 25; n++) double.put(`${ROUTE}${n}`, { metadata: {}, spec: SPEC });
  double.put(ROUTE, { metadata: {}, spec: SPEC });
  writer.start();
  await eventually("the routes are watched", () => double.watches.length === 1);
  t.is(double.audit.filter(({ verb }) => verb === "patch").length, 0);
  isLeader = true;
  await eventually("all statuses", () => {
    const all = double.store.list(ROUTES, "shop");
    return all.length === 26 && all.every((route) => route["status"] !== undefined);
  });
  t.is(double.audit.filter(({ verb }) => verb === "patch").length, 26);
});

test("what may not be written is told once, and tried again", async (t) => {
  const { double, writer, log } = await open(t);
  double.install(ROUTES);
  double.put(ROUTE, { metadata: {}, spec: SPEC });
  let refused = 0;
  double.answer = ({ verb }) => (verb === "patch" && refused++ < 3 ? { status: 403, reason: "Forbidden" } : undefined);
  writer.start();
  await eventually("the status", () => parentsOf(double));
  t.deepEqual(log.events, ["route-status-not-written"]);
});
