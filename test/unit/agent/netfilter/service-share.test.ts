import fc from "fast-check";
import test from "ava";
import { serviceShare } from "../../../../agent/netfilter/service-share.ts";
import type { RouteEntry } from "../../../../protocol/route-table.ts";
import type { EndpointEntry, Locality, ServiceEntry, WorkloadEntry } from "../../../../protocol/table.ts";
import { serviceCandidates } from "../../../../routing/service-candidates.ts";
import { chooseEndpoints } from "../../../../routing/service-endpoints.ts";
import { TableState } from "../../../../routing/table-state.ts";
import {
  endpointEntry,
  nodeEntry,
  outsideEntry,
  routeEntry,
  serviceEntry,
  tableSnapshot,
  workloadEntry,
} from "../../routing/sample-table.ts";
import { tableContents } from "../../routing/table-arbitrary.ts";

/** Twelve digits are enough for a rule's probability. */
const ROUNDING = 1e-12;

test("kernel and agent together give every chosen endpoint of every table its weight's part", (t) => {
  const localities = fc.constantFrom<Locality[]>("prefer-local", "prefer-zone", "spread");
  fc.assert(
    fc.property(tableContents, localities, (contents, locality) => {
      const mesh = { ...contents.mesh, locality };
      const table = new TableState({ epoch: "e", sequence: 1, ...contents, mesh });
      for (const service of table.services()) {
        for (const port of service.ports) {
          for (const family of [4, 6] as const) {
            const share = serviceShare(table, "n1", service, port, family);
            const { chosen, live, sticky, routed } = chooseEndpoints(table, "n1", { service, port, family });
            const offer = serviceCandidates(table, "n1", service, port, family);
            const candidates = offer.refusal === undefined ? offer.candidates : [];
            const isOutside = live.every(({ workload }) => workload?.mesh !== true);
            t.is(share.kind === "none", isOutside && !routed);
            if (share.kind === "none") continue;
            t.false(routed && share.kind === "direct");
            // What the agent gets, it can serve, or it knows the reason why not.
            const reason = live.length === 0 ? "no-endpoints" : "no-agent";
            t.is(offer.refusal?.code, chosen.length === 0 ? reason : undefined);
            const parts = new Map<string, number>();
            const targets = share.kind === "direct" ? share.targets : [];
            const agentShare = share.kind === "direct" ? share.agentShare : 1;
            const local = targets.reduce((sum, { weight }) => sum + weight, 0);
            for (const { address, weight } of targets) parts.set(address, ((1 - agentShare) * weight) / local);
            const remote = candidates.reduce((sum, { weight }) => sum + weight, 0);
            if (agentShare > 0) {
              for (const { address, weight } of candidates) parts.set(address, (agentShare * weight) / remote);
            }
            const total = chosen.reduce((sum, { weight }) => sum + weight, 0);
            t.deepEqual([...parts.keys()].sort(), chosen.map(({ address }) => address).sort());
            for (const { address, weight } of chosen) {
              t.true(Math.abs((parts.get(address) ?? 0) - weight / total) < ROUNDING);
            }
            for (const { address } of targets) t.is(table.workloadByAddress(address)?.node, "n1");
            t.false(sticky && share.kind === "direct" && chosen.length > 1);
          }
        }
      }
    }),
  );
  t.pass();
});

const NODES = [nodeEntry("n1", { zone: "z1" }), nodeEntry("n2", { zone: "z1" }), nodeEntry("n3", { zone: "z2" })];
const pod = (name: string, node: string, fields: Partial<WorkloadEntry> = {}): WorkloadEntry =>
  workloadEntry(`a/${name}`, node, { addresses: [`10.0.${node.slice(1)}.${name.slice(1)}`], ...fields });

function shareOf(
  service: Partial<ServiceEntry>,
  pods: readonly WorkloadEntry[],
  more: readonly EndpointEntry[] = [],
  routes: readonly RouteEntry[] = [],
) {
  const port = { name: "", port: 80, protocol: "TCP" } as const;
  const entry = serviceEntry("a/web", { clusterIps: ["10.96.0.1"], ports: [port], ...service });
  const endpoints = [...pods.map(({ uid }) => endpointEntry("a/web", uid, { 80: 8080 })), ...more];
  const table = new TableState(tableSnapshot({ nodes: NODES, workloads: pods, services: [entry], endpoints, routes }));
  const share = serviceShare(table, "n1", entry, port, 4);
  return share.kind === "direct" ? [share.agentShare, ...share.targets.map(({ address }) => address)] : share.kind;
}

const EVERYWHERE = [pod("p1", "n1"), pod("p2", "n2"), pod("p3", "n3")];

test("the share of other nodes is that of the endpoints that the locality leaves", (t) => {
  t.deepEqual(shareOf({ locality: "prefer-local" }, EVERYWHERE), [0, "10.0.1.1"]);
  t.deepEqual(shareOf({ locality: "prefer-zone" }, EVERYWHERE), [1 / 2, "10.0.1.1"]);
  t.deepEqual(shareOf({ locality: "spread" }, EVERYWHERE), [1 - 1 / 3, "10.0.1.1"]);
});

test("a Service of which nothing that could take a connection is in the mesh is left to kube-proxy", (t) => {
  const outside = outsideEntry("a/web", "198.51.100.7:80", 80);
  const strangers = EVERYWHERE.map((one) => ({ ...one, mesh: false }));
  t.is(shareOf({}, [], [outside]), "none");
  t.is(shareOf({}, strangers, [outside]), "none");
  t.is(shareOf({}, [pod("p1", "n1", { state: "unready" })], [outside]), "none");
  // Kube-proxy would choose among all, and some are in the mesh.
  t.deepEqual(shareOf({}, [...strangers, pod("p4", "n2")], [outside]), [0, "10.0.1.1"]);
  t.is(shareOf({ locality: "spread" }, [pod("p2", "n2")], [outside]), "agent");
});

test("with internalTrafficPolicy Local, only pods of this node count, and without one nothing is intercepted", (t) => {
  t.deepEqual(shareOf({ internalTrafficPolicy: "Local", locality: "spread" }, EVERYWHERE), [0, "10.0.1.1"]);
  t.is(shareOf({ internalTrafficPolicy: "Local" }, [pod("p2", "n2")]), "none");
  t.is(shareOf({ internalTrafficPolicy: "Local" }, [pod("p1", "n1", { state: "unready" }), pod("p2", "n2")]), "none");
});

test("where a client is to stay at one endpoint, only a single one is the kernel's", (t) => {
  const sticky = { loadBalancer: "source-hash" } as const;
  t.deepEqual(shareOf(sticky, EVERYWHERE), [0, "10.0.1.1"]);
  t.is(shareOf(sticky, [...EVERYWHERE, pod("p4", "n1")]), "agent");
  t.is(shareOf({ ...sticky, locality: "spread" }, EVERYWHERE), "agent");
});

test("a port with routes is the agent's, wherever its endpoints are, and with none at all", (t) => {
  const routed = [routeEntry("a/web")];
  t.is(shareOf({}, [pod("p1", "n1")], [], routed), "agent");
  t.is(shareOf({}, EVERYWHERE, [], routed), "agent");
  t.is(shareOf({}, [], [], routed), "agent");
  t.is(shareOf({}, [], [outsideEntry("a/web", "198.51.100.7:80", 80)], routed), "agent");
  t.deepEqual(shareOf({}, [pod("p1", "n1")], [], [routeEntry("a/web", { port: 81 })]), [0, "10.0.1.1"]);
});
