import test from "ava";
import fc from "fast-check";
import { diffTables } from "../../../routing/diff.ts";
import { TableState } from "../../../routing/table-state.ts";
import { nodeEntry, tableSnapshot, workloadEntry } from "./sample-table.ts";
import { tableContents } from "./table-arbitrary.ts";

test("equal tables have no difference, whatever the order of entries and keys", (t) => {
  const labels = { a: "1", b: "2" };
  const before = tableSnapshot({
    nodes: [nodeEntry("n1"), nodeEntry("n2")],
    workloads: [workloadEntry("a/b", "n1", { labels })],
  });
  const swapped = { b: "2", a: "1" };
  const after = tableSnapshot({
    nodes: [nodeEntry("n2"), nodeEntry("n1")],
    workloads: [workloadEntry("a/b", "n1", { labels: swapped })],
  });
  t.is(diffTables(before, after), undefined);
});

test("a difference holds what is new, changed and gone, and nothing else", (t) => {
  const before = tableSnapshot({ nodes: [nodeEntry("same"), nodeEntry("changed"), nodeEntry("gone")] });
  const nodes = [nodeEntry("same"), nodeEntry("changed", { agent: false }), nodeEntry("new")];
  const after = tableSnapshot({ nodes });
  t.deepEqual(diffTables(before, after), {
    upserts: { node: [nodeEntry("changed", { agent: false }), nodeEntry("new")] },
    removals: { node: ["gone"] },
  });
});

test("a label that went away is a difference", (t) => {
  const before = tableSnapshot({ workloads: [workloadEntry("a/b", "n1", { labels: { a: "1" } })] });
  const after = tableSnapshot({ workloads: [workloadEntry("a/b", "n1")] });
  t.deepEqual(diffTables(before, after)?.upserts.workload, after.workloads);
  t.deepEqual(diffTables(after, before)?.upserts.workload, before.workloads);
});

test("applying the difference of two tables to the one gives the other", (t) => {
  fc.assert(
    fc.property(tableContents, tableContents, (before, after) => {
      const table = new TableState({ epoch: "e", sequence: 4, ...before });
      const change = diffTables(before, after);
      // As it is after a journey through a socket.
      if (change !== undefined) table.apply(JSON.parse(JSON.stringify({ epoch: "e", sequence: 5, ...change })));
      const wanted = new TableState({ epoch: "e", sequence: change === undefined ? 4 : 5, ...after });
      t.deepEqual(table.toSnapshot(), wanted.toSnapshot());
      t.is(diffTables(table.toSnapshot(), after), undefined);
    }),
    { numRuns: 300 },
  );
});
