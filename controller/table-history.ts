/**
 * The table in force and the changes that led to it, in the bytes that go to agents: every message is serialised once,
 * however many agents it is sent to.
 *
 * A session asks `nextMessage(have)` for the one message that brings it forward, so nothing is ever queued per agent:
 * a slow one simply asks later, and gets a snapshot when what it missed is no longer here.
 */
import type { DeltaMessage, SnapshotMessage } from "../protocol/channel.ts";
import type { TableDelta, TableSnapshot } from "../protocol/table.ts";
import { limits } from "./limits.ts";

export interface TablePosition {
  readonly epoch: string;
  readonly sequence: number;
}

export interface NextMessage extends TablePosition {
  readonly kind: "snapshot" | "delta";
  /** One text frame. Shared: must not be changed. */
  readonly bytes: Buffer;
}

export class TableHistory {
  #current: TableSnapshot | undefined;
  #snapshotBytes: Buffer | undefined;
  /** Changes with sequences `current.sequence - length + 1 ... current.sequence`, all of the current epoch. */
  #changes: Buffer[] = [];
  #changesBytes = 0;

  get current(): TableSnapshot | undefined {
    return this.#current;
  }

  /** Begins a history: nothing leads here from anywhere else. */
  reset(table: TableSnapshot): void {
    this.#changes = [];
    this.#changesBytes = 0;
    this.#setCurrent(table);
  }

  /** `delta` leads from the current table to `table`. */
  advance(delta: TableDelta, table: TableSnapshot): void {
    const message: DeltaMessage = { kind: "delta", delta };
    const bytes = Buffer.from(JSON.stringify(message));
    this.#changes.push(bytes);
    this.#changesBytes += bytes.length;
    while (this.#changes.length > limits.historyChanges || this.#changesBytes > limits.historyBytes) {
      this.#changesBytes -= this.#changes.shift()?.length ?? 0;
    }
    this.#setCurrent(table);
  }

  /** Undefined when `have` is the table in force, or there is no table yet. */
  nextMessage(have: TablePosition | undefined): NextMessage | undefined {
    const current = this.#current;
    if (current === undefined) return undefined;
    const behind = have?.epoch === current.epoch ? current.sequence - have.sequence : Number.NaN;
    if (behind === 0) return undefined;
    const bytes = behind > 0 ? this.#changes.at(-behind) : undefined;
    if (have === undefined || bytes === undefined) return this.snapshotMessage();
    return { kind: "delta", bytes, epoch: current.epoch, sequence: have.sequence + 1 };
  }

  snapshotMessage(): NextMessage | undefined {
    if (this.#current === undefined) return undefined;
    const { epoch, sequence } = this.#current;
    const message: SnapshotMessage = { kind: "snapshot", table: this.#current };
    this.#snapshotBytes ??= Buffer.from(JSON.stringify(message));
    return { kind: "snapshot", bytes: this.#snapshotBytes, epoch, sequence };
  }

  #setCurrent(table: TableSnapshot): void {
    this.#current = table;
    this.#snapshotBytes = undefined;
  }
}
