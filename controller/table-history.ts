/**
 * The table in force and the changes that led to it, as the messages that go to agents: every message is serialised once,
 * however many agents it is sent to.
 *
 * A session asks `nextMessage(have)` for the one message that brings it forward, so nothing is ever queued per agent:
 * a slow one simply asks later, and gets a snapshot when what it missed is no longer here.
 *
 * A snapshot is made when it is asked for, and given out again as long as the changes that followed it are fewer bytes:
 * many agents that come while the table changes must not have it made anew for each.
 */
import type { TableDelta, TableSnapshot } from "../protocol/table.ts";
import { limits } from "./limits.ts";
import { TableMessage } from "./table-message.ts";

export interface TablePosition {
  readonly epoch: string;
  readonly sequence: number;
}

export class TableHistory {
  #current: TableSnapshot | undefined;
  #snapshot: TableMessage | undefined;
  /** Bytes of changes since the snapshot. */
  #bytesSinceSnapshot = 0;
  /** Changes with sequences `current.sequence - length + 1 ... current.sequence`, all of the current epoch. */
  #changes: TableMessage[] = [];
  #changesBytes = 0;

  get current(): TableSnapshot | undefined {
    return this.#current;
  }

  /** Begins a history: nothing leads here from anywhere else. */
  reset(table: TableSnapshot): void {
    this.#changes = [];
    this.#changesBytes = 0;
    this.#snapshot = undefined;
    this.#current = table;
  }

  /** `delta` leads from the current table to `table`. */
  advance(delta: TableDelta, table: TableSnapshot): void {
    const message = new TableMessage({ kind: "delta", delta });
    this.#changes.push(message);
    this.#changesBytes += message.size;
    this.#bytesSinceSnapshot += message.size;
    while (this.#changes.length > limits.historyChanges || this.#changesBytes > limits.historyBytes) {
      this.#changesBytes -= this.#changes.shift()?.size ?? 0;
    }
    this.#current = table;
    if (!this.#leadsOn(this.#snapshot)) this.#snapshot = undefined;
  }

  /** Undefined when `have` is the table in force, or there is no table yet. */
  nextMessage(have: TablePosition | undefined): TableMessage | undefined {
    const current = this.#current;
    if (current === undefined) return undefined;
    const behind = have?.epoch === current.epoch ? current.sequence - have.sequence : Number.NaN;
    if (behind === 0) return undefined;
    const change = behind > 0 ? this.#changes.at(-behind) : undefined;
    return change ?? this.#snapshot ?? this.snapshotMessage();
  }

  /** Of the table in force. */
  snapshotMessage(): TableMessage | undefined {
    const table = this.#current;
    if (table === undefined) return undefined;
    if (this.#snapshot?.sequence === table.sequence) return this.#snapshot;
    this.#snapshot = new TableMessage({ kind: "snapshot", table });
    this.#bytesSinceSnapshot = 0;
    return this.#snapshot;
  }

  /** All changes from this snapshot to the table in force are here, and smaller than another snapshot. */
  #leadsOn(snapshot: TableMessage | undefined): boolean {
    if (snapshot === undefined || this.#current === undefined) return false;
    const behind = this.#current.sequence - snapshot.sequence;
    return behind <= this.#changes.length && this.#bytesSinceSnapshot < snapshot.size;
  }
}
