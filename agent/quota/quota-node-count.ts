/** How many nodes a quota is divided among, counted when somebody asks, once for each state of the table. */
import { quotaNodes } from "../../routing/quota-nodes.ts";
import type { TableState } from "../../routing/table-state.ts";

export class QuotaNodeCount {
  readonly #table: () => TableState | undefined;
  #version = "";
  #count = 1;

  constructor(table: () => TableState | undefined) {
    this.#table = table;
  }

  get count(): number {
    const table = this.#table();
    if (table === undefined) return 1;
    const version = `${table.epoch} ${table.sequence}`;
    if (version !== this.#version) {
      this.#version = version;
      this.#count = quotaNodes({ nodes: table.nodes(), workloads: table.workloads() }).size;
    }
    return this.#count;
  }
}
