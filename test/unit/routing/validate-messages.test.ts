import test from "ava";
import fc from "fast-check";
import { diffTables } from "../../../routing/diff.ts";
import { RoutingError } from "../../../routing/routing-error.ts";
import { parseDelta, parseSnapshot } from "../../../routing/validate-messages.ts";
import { nodeEntry, routeEntry, serviceEntry, tableSnapshot, workloadEntry } from "./sample-table.ts";
import { tableContents } from "./table-arbitrary.ts";

test("what a controller sends passes unchanged", (t) => {
  fc.assert(
    fc.property(tableContents, tableContents, (before, after) => {
      const snapshot = JSON.parse(JSON.stringify({ epoch: "e", sequence: 0, ...before }));
      t.deepEqual(parseSnapshot(snapshot), snapshot);
      const delta = JSON.parse(JSON.stringify({ epoch: "e", sequence: 1, ...diffTables(before, after) }));
      if (delta.upserts !== undefined) t.deepEqual(parseDelta(delta), delta);
    }),
    { numRuns: 100 },
  );
});

test("keys of a newer controller are dropped", (t) => {
  const newer = { ...tableSnapshot(), quotas: [], nodes: [{ ...nodeEntry("n1"), rack: "a" }] };
  t.deepEqual(parseSnapshot(newer), tableSnapshot({ nodes: [nodeEntry("n1")] }));
});

test("a controller that knows no routes has none", (t) => {
  const { routes: _, ...older } = tableSnapshot();
  t.deepEqual(parseSnapshot(older), tableSnapshot());
});

const bad: [string, unknown][] = [
  ["nothing", undefined],
  ["a list", []],
  ["no epoch", { ...tableSnapshot(), epoch: undefined }],
  ["a negative sequence", { ...tableSnapshot(), sequence: -1 }],
  ["an address that is none", tableSnapshot({ nodes: [nodeEntry("n", { addresses: ["10.0.0.1; reboot"] })] })],
  ["a CIDR that is none", tableSnapshot({ nodes: [nodeEntry("n", { podCidrs: ["10.0.0.1"] })] })],
  ["an unknown state", tableSnapshot({ workloads: [{ ...workloadEntry("a/b", "n"), state: "asleep" as "ready" }] })],
  [
    "a route of an unknown kind",
    tableSnapshot({ routes: [{ ...routeEntry("a/b"), kind: "TCPRoute" as "HTTPRoute" }] }),
  ],
  ["port 0", tableSnapshot({ services: [serviceEntry("a/b", { ports: [{ name: "", port: 0, protocol: "TCP" }] })] })],
];

for (const [what, value] of bad) {
  test(`a snapshot with ${what} is refused`, (t) => {
    const error = t.throws(() => parseSnapshot(value), { instanceOf: RoutingError });
    t.is(error.code, "invalid-message");
  });
}

test("a refusal names the first places only", (t) => {
  const nodes = Array.from({ length: 100 }, () => ({ ...nodeEntry("n"), agent: 1 as unknown as boolean }));
  const { message } = t.throws(() => parseSnapshot(tableSnapshot({ nodes })), { instanceOf: RoutingError });
  t.regex(message, /^Cannot use a snapshot that is not one: nodes\.0\.agent: .*; and 95 more$/);
});

test("anything at all is refused with that error and no other", (t) => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      t.throws(() => parseDelta(value), { instanceOf: RoutingError });
    }),
  );
});
