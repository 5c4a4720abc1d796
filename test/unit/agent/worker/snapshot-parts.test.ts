import test from "ava";
import fc from "fast-check";
import { SnapshotAssembly, snapshotParts } from "../../../../agent/worker/snapshot-parts.ts";
import type { TableSnapshot } from "../../../../protocol/table.ts";
import { tableSnapshot, workloadEntry } from "../../routing/sample-table.ts";
import { tableContents } from "../../routing/table-arbitrary.ts";

function send(assembly: SnapshotAssembly, table: TableSnapshot): { table: TableSnapshot | undefined; parts: number } {
  let parts = 0;
  for (const part of snapshotParts(table)) {
    const received = structuredClone(part);
    if (received.kind === "snapshot") return { table: assembly.finish(received.table), parts };
    assembly.add(received.entries);
    parts += 1;
  }
  return { table: undefined, parts };
}

test("a table that went in parts is the same table, also the next one", (t) => {
  const assembly = new SnapshotAssembly();
  fc.assert(
    fc.property(tableContents, (contents) => {
      const table = { epoch: "e", sequence: 1, ...contents };
      t.deepEqual(send(assembly, table).table, table);
    }),
    { numRuns: 50 },
  );
});

test("a large table goes in several parts, and keeps its order", (t) => {
  const workloads = Array.from({ length: 1_201 }, (_, number) => workloadEntry(`a/p${number}`, "n1"));
  const table = tableSnapshot({ workloads });
  const sent = send(new SnapshotAssembly(), table);
  t.deepEqual(sent.table, table);
  t.is(sent.parts, 3);
});

test("a table that comes whole is taken as it is", (t) => {
  const table = tableSnapshot({ workloads: [workloadEntry("a/p1", "n1")] });
  t.deepEqual(new SnapshotAssembly().finish(table), table);
});
