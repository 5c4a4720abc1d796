import test from "ava";
import fc from "fast-check";
import { formatIdentity } from "../../../protocol/identity.ts";
import type { TableDelta } from "../../../protocol/table.ts";
import type { TableContents } from "../../../routing/compile.ts";
import { decideConnection } from "../../../routing/decide-connection.ts";
import { diffTables } from "../../../routing/diff.ts";
import { RoutingError } from "../../../routing/routing-error.ts";
import { TableState } from "../../../routing/table-state.ts";
import { endpointEntry, nodeEntry, routeEntry, serviceEntry, tableSnapshot, workloadEntry } from "./sample-table.ts";
import { PROBED_ADDRESSES, PROBED_NODES, tableContents } from "./table-arbitrary.ts";

const snapshot = tableSnapshot({
  nodes: [
    nodeEntry("n1", { addresses: ["192.168.0.1", "fd00::1"], podCidrs: ["10.244.1.0/24", "fd00:244:1::/64"] }),
    nodeEntry("n2", { addresses: ["192.168.0.2"], podCidrs: ["10.244.2.0/24"] }),
  ],
  workloads: [
    workloadEntry("shop/web", "n1", { addresses: ["10.244.1.7", "fd00:244:1::7"] }),
    workloadEntry("shop/db", "n2", { addresses: ["10.244.2.7"] }),
  ],
  services: [
    serviceEntry("shop/db", {
      clusterIps: ["10.96.0.10", "fd00:96::10"],
      ports: [
        { name: "dns", port: 53, protocol: "UDP" },
        { name: "sql", port: 3306, protocol: "TCP" },
      ],
    }),
  ],
  endpoints: [endpointEntry("shop/db", "shop/db", { 3306: 3306 })],
});

const delta = (fields: Partial<TableDelta>): TableDelta => ({
  epoch: "epoch-1",
  sequence: 2,
  upserts: {},
  removals: {},
  ...fields,
});

test("a pod is found by any spelling of its address", (t) => {
  const table = new TableState(snapshot);
  for (const address of [
    "10.244.1.7",
    "::ffff:10.244.1.7",
    "::FFFF:0af4:0107",
    "fd00:244:1::7",
    "FD00:244:1:0:0:0:0:7",
  ]) {
    t.is(table.workloadByAddress(address)?.uid, "shop/web", address);
  }
  for (const address of ["10.244.1.8", "", "web", "::", "10.244.1.7.1", "fd00:244:1::7:x"]) {
    t.is(table.workloadByAddress(address), undefined, address);
  }
});

test("an address that was written in another spelling in the table is found by the normal one", (t) => {
  const workloads = [workloadEntry("a/b", "n1", { addresses: ["FD00:0::0001"] })];
  t.is(new TableState(tableSnapshot({ workloads })).workloadByAddress("fd00::1")?.uid, "a/b");
});

test("a node is found by its addresses and by addresses of its pod CIDRs that belong to no pod", (t) => {
  const table = new TableState(snapshot);
  t.is(table.nodeByAddress("192.168.0.2")?.name, "n2");
  t.is(table.nodeByAddress("::ffff:10.244.2.1")?.name, "n2");
  t.is(table.nodeByAddress("fd00:244:1::1")?.name, "n1");
  t.is(table.nodeByAddress("10.244.2.7"), undefined, "a pod's address is not its node's");
  t.is(table.nodeByAddress("10.244.3.1"), undefined);
  t.is(table.nodeByAddress("nonsense"), undefined);
});

test("a Service is found by ClusterIP and TCP port only", (t) => {
  const table = new TableState(snapshot);
  t.like(table.serviceByVip("10.96.0.10", 3306), { service: { key: "shop/db" }, port: { name: "sql" } });
  t.is(table.serviceByVip("fd00:96:0::10", 3306)?.service.key, "shop/db");
  t.is(table.serviceByVip("10.96.0.10", 53), undefined);
  t.is(table.serviceByVip("10.244.2.7", 3306), undefined);
});

test("the identity of a workload is what the certificate authority would sign", (t) => {
  const table = new TableState(snapshot);
  const workload = table.workload("shop/db");
  const expected = formatIdentity({ trustDomain: "cluster.local", namespace: "shop", serviceAccount: "default" });
  t.is(workload && table.identityOf(workload), expected);
});

test("a delta changes entries, indices and sequence", (t) => {
  const table = new TableState(snapshot);
  table.apply(
    delta({
      // web's address passes to a new pod in the same change
      upserts: { workload: [workloadEntry("shop/new", "n1", { addresses: ["10.244.1.7"] })] },
      removals: { workload: ["shop/web"], endpoint: ["shop/db|shop/db"] },
    }),
  );
  t.is(table.sequence, 2);
  t.is(table.workloadByAddress("10.244.1.7")?.uid, "shop/new");
  t.is(table.workloadByAddress("fd00:244:1::7"), undefined);
  t.is(table.nodeByAddress("fd00:244:1::7")?.name, "n1");
  t.is(table.endpointsOf("shop/db").size, 0);
});

const refused: [string, Partial<TableDelta>, string][] = [
  ["of another epoch", { epoch: "epoch-2" }, "wrong-epoch"],
  ["that skips one", { sequence: 3 }, "wrong-sequence"],
  ["that was applied already", { sequence: 1 }, "wrong-sequence"],
  ["that removes what is not there", { removals: { node: ["n9"] } }, "corrupt-table"],
  [
    "that sets and removes the same",
    { upserts: { node: [nodeEntry("n1")] }, removals: { node: ["n1"] } },
    "corrupt-table",
  ],
  ["that sets the same twice", { upserts: { node: [nodeEntry("n3"), nodeEntry("n3")] } }, "corrupt-table"],
  ["with an endpoint of no pod", { upserts: { endpoint: [endpointEntry("shop/db", "shop/x", {})] } }, "corrupt-table"],
  [
    "with an endpoint of no Service",
    { upserts: { endpoint: [endpointEntry("shop/x", "shop/db", {})] } },
    "corrupt-table",
  ],
];

for (const [what, fields, code] of refused) {
  test(`a delta ${what} is refused and changes nothing`, (t) => {
    const table = new TableState(snapshot);
    const before = table.toSnapshot();
    const change = { mesh: { ...snapshot.mesh, trustDomain: "other" }, ...fields };
    t.like(
      t.throws(() => table.apply(delta(change)), { instanceOf: RoutingError }),
      { code },
    );
    t.deepEqual(table.toSnapshot(), before);
  });
}

test("a snapshot that contradicts itself is refused", (t) => {
  const twice = { ...snapshot, nodes: [nodeEntry("n1"), nodeEntry("n1")] };
  t.like(
    t.throws(() => new TableState(twice), { instanceOf: RoutingError }),
    { code: "corrupt-table" },
  );
  const dangling = { ...snapshot, workloads: [] };
  t.like(
    t.throws(() => new TableState(dangling), { instanceOf: RoutingError }),
    { code: "corrupt-table" },
  );
});

test("what is derived from a Service is kept until something it depends on changes", (t) => {
  const table = new TableState(snapshot);
  let computed = 0;
  const derive = () => table.derive("shop/db", "variant", () => ({ computed: ++computed }));
  t.is(derive(), derive());
  table.apply(delta({ upserts: { workload: [workloadEntry("shop/web", "n1")] } }));
  t.is(derive().computed, 1, "a pod that is no endpoint of the Service does not matter");
  table.apply(delta({ sequence: 3, upserts: { workload: [workloadEntry("shop/db", "n2", { state: "draining" })] } }));
  t.is(derive().computed, 2);
  table.apply(delta({ sequence: 4, upserts: { node: [nodeEntry("n2", { agent: false })] } }));
  t.is(derive().computed, 3);
  table.apply(delta({ sequence: 5, mesh: { ...snapshot.mesh, encryption: "permissive" } }));
  t.is(derive().computed, 4);
  table.apply(delta({ sequence: 6, removals: { endpoint: ["shop/db|shop/db"] } }));
  t.is(derive().computed, 5);
});

/** Everything a table answers, in a form that can be compared. */
function answers(table: TableState): unknown {
  const decisions = PROBED_NODES.flatMap((node) =>
    PROBED_ADDRESSES.flatMap((sourceAddress) =>
      ["10.96.0.1", "10.96.0.2", "10.244.2.1"].map((destinationAddress) =>
        decideConnection(table, { node, sourceAddress, destinationAddress, destinationPort: 80 }),
      ),
    ),
  );
  const found = PROBED_ADDRESSES.map((address) => [
    table.workloadByAddress(address),
    table.nodeByAddress(address),
    table.serviceByVip(address, 80),
    table.serviceByVip(address, 443),
  ]);
  return { decisions, found, snapshot: { ...table.toSnapshot(), sequence: 0 } };
}

const numbered = (contents: TableContents) => ({ epoch: "e", sequence: 0, ...contents });

test("deltas along any history give the table that its last state gives at once", (t) => {
  fc.assert(
    fc.property(fc.array(tableContents, { minLength: 2, maxLength: 5 }), (history) => {
      const [first, ...rest] = history as [TableContents, ...TableContents[]];
      const table = new TableState(numbered(first));
      let before = first;
      for (const after of rest) {
        answers(table); // fills what is remembered, which must then be forgotten
        const change = diffTables(before, after);
        if (change !== undefined) table.apply({ epoch: "e", sequence: table.sequence + 1, ...change });
        before = after;
      }
      t.deepEqual(answers(table), answers(new TableState(numbered(before))));
    }),
    { numRuns: 150 },
  );
});

test("routes of a port are there until the last group of callers has none", (t) => {
  const table = new TableState(snapshot);
  const own = routeEntry("shop/db", { port: 3306 });
  const theirs = routeEntry("shop/db", { port: 3306, consumer: "team" });
  t.false(table.isRouted("shop/db", 3306));
  const remembered = table.derive("shop/db", "v", () => ({}));
  table.apply(delta({ upserts: { route: [own, theirs] } }));
  t.true(table.isRouted("shop/db", 3306));
  t.false(table.isRouted("shop/db", 53));
  t.is(table.route("shop/db:3306@team"), theirs);
  t.not(
    table.derive("shop/db", "v", () => ({})),
    remembered,
  );
  table.apply(delta({ sequence: 3, removals: { route: [own.key] } }));
  t.true(table.isRouted("shop/db", 3306));
  table.apply(delta({ sequence: 4, removals: { route: [theirs.key] } }));
  t.false(table.isRouted("shop/db", 3306));
});

test("a route for a Service that is not there, or under another key, is refused", (t) => {
  const refused = (route: Parameters<typeof routeEntry>[1], service = "shop/db") => {
    const table = new TableState(snapshot);
    t.throws(() => table.apply(delta({ upserts: { route: [routeEntry(service, route)] } })), { code: "corrupt-table" });
  };
  refused({}, "shop/other");
  refused({ key: "shop/db:81" });
  refused({ rules: [] });
});
