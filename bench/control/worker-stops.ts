/** What `measure-worker-stops-main.ts` hands to the process that it measures (worker-stops-main.ts). */
import type { TableDelta, TableSnapshot } from "../../protocol/table.ts";

export interface WorkerStopsInput {
  readonly node: string;
  readonly snapshot: TableSnapshot;
  /** What changes -> one delta after the other. */
  readonly changes: readonly (readonly [what: string, deltas: readonly TableDelta[]])[];
}
