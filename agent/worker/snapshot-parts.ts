/**
 * A whole table on its way from the main thread to a data worker, in parts. Posted as one message it would be there
 * several times over at once: as the main thread's, as bytes, and as the worker's copy with a text of its own for every
 * name. Of a part, what is not kept is garbage that dies young.
 */
import type { TableDelta, TableKind, TableKinds, TableSnapshot } from "../../protocol/table.ts";
import { SharedValues } from "../../routing/shared-values.ts";
import type { SnapshotEntriesMessage, SnapshotMessage } from "./messages.ts";

/** About 200 kB as bytes. */
const ENTRIES_PER_PART = 500;

/** The last one puts the table in force. */
export function* snapshotParts(table: TableSnapshot): Generator<SnapshotEntriesMessage | SnapshotMessage> {
  for (const node of parts(table.nodes)) yield { kind: "snapshot-entries", entries: { node } };
  for (const workload of parts(table.workloads)) yield { kind: "snapshot-entries", entries: { workload } };
  for (const service of parts(table.services)) yield { kind: "snapshot-entries", entries: { service } };
  for (const endpoint of parts(table.endpoints)) yield { kind: "snapshot-entries", entries: { endpoint } };
  yield { kind: "snapshot", table: { ...table, nodes: [], workloads: [], services: [], endpoints: [] } };
}

/** The worker's end: a port keeps the order of messages. */
export class SnapshotAssembly {
  #entries: { [K in TableKind]: TableKinds[K][] } = { node: [], workload: [], service: [], endpoint: [] };
  #shared = new SharedValues();

  add({ node = [], workload = [], service = [], endpoint = [] }: TableDelta["upserts"]): void {
    this.#take("node", node);
    this.#take("workload", workload);
    this.#take("service", service);
    this.#take("endpoint", endpoint);
  }

  /** The table with what came before it; then begins anew. */
  finish(table: TableSnapshot): TableSnapshot {
    this.add({ node: table.nodes, workload: table.workloads, service: table.services, endpoint: table.endpoints });
    const { node: nodes, workload: workloads, service: services, endpoint: endpoints } = this.#entries;
    this.#entries = { node: [], workload: [], service: [], endpoint: [] };
    this.#shared = new SharedValues();
    return { ...table, nodes, workloads, services, endpoints };
  }

  #take<K extends TableKind>(kind: K, entries: readonly TableKinds[K][]): void {
    const taken: TableKinds[K][] = this.#entries[kind];
    for (const entry of entries) taken.push(this.#shared.entry(kind, entry));
  }
}

function* parts<T>(entries: readonly T[]): Generator<readonly T[]> {
  for (let first = 0; first < entries.length; first += ENTRIES_PER_PART) {
    yield entries.slice(first, first + ENTRIES_PER_PART);
  }
}
