/**
 * Equal parts of entries become one and the same value: a table of 10,000 pods names a thousand nodes, and pods of one
 * Deployment have the same labels. Parsers and structured clones make a copy of each; held as they are, entries take
 * more than twice the memory.
 *
 * It only remembers: whoever is full starts over, and what was shared before stays shared.
 */
import type { EndpointEntry, TableKind, TableKinds, WorkloadEntry } from "../protocol/table.ts";
import { MAX_SHARED_RECORDS, MAX_SHARED_TEXTS } from "./limits.ts";

type Values = Readonly<Record<string | number, string | number>>;

export class SharedValues {
  readonly #texts = new Map<string, string>();
  readonly #records = new Map<string, Values>();
  readonly #lists = new Map<string, readonly string[]>();

  text<T extends string>(text: T): T {
    const known = this.#texts.get(text);
    if (known !== undefined) return known as T;
    if (this.#texts.size >= MAX_SHARED_TEXTS) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }

  /**
   * Above all for numbers as keys: an object with the key 80 has room for all keys below, and more above (V8's fast
   * elements), together a kilobyte.
   */
  record<T extends Values>(record: T): T {
    const key = JSON.stringify(record);
    const known = this.#records.get(key);
    if (known !== undefined) return known as T;
    if (this.#records.size >= MAX_SHARED_RECORDS) this.#records.clear();
    this.#records.set(key, record);
    return record;
  }

  texts(list: readonly string[]): readonly string[] {
    const key = list.join(" ");
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    if (this.#lists.size >= MAX_SHARED_RECORDS) this.#lists.clear();
    this.#lists.set(key, list);
    return list;
  }

  /** The same entry out of shared parts. */
  entry<K extends TableKind>(kind: K, entry: TableKinds[K]): TableKinds[K];
  entry(kind: TableKind, entry: TableKinds[TableKind]): TableKinds[TableKind] {
    if (kind === "workload") return this.#workload(entry as WorkloadEntry);
    if (kind === "endpoint") return this.#endpoint(entry as EndpointEntry);
    // Nodes and Services are a tenth of a table.
    return entry;
  }

  /** Written out field by field: such an object takes no more room than its fields. */
  #workload(entry: WorkloadEntry): WorkloadEntry {
    return {
      uid: entry.uid,
      namespace: this.text(entry.namespace),
      name: entry.name,
      workload: this.text(entry.workload),
      node: this.text(entry.node),
      addresses: entry.addresses,
      serviceAccount: this.text(entry.serviceAccount),
      labels: this.record(entry.labels),
      mesh: entry.mesh,
      state: this.text(entry.state),
    };
  }

  #endpoint(entry: EndpointEntry): EndpointEntry {
    const { key, workload, weight, forZones, forNodes } = entry;
    const service = this.text(entry.service);
    const ports = this.record(entry.ports);
    // Outside endpoints are few.
    if (workload === undefined) return { ...entry, service, ports };
    return {
      key,
      service,
      workload,
      ports,
      weight,
      ...(entry.state === undefined ? {} : { state: this.text(entry.state) }),
      ...(forZones === undefined ? {} : { forZones: this.texts(forZones) }),
      ...(forNodes === undefined ? {} : { forNodes: this.texts(forNodes) }),
    };
  }
}
