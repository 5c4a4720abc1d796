/**
 * One table for the many simulated agents of a process. On as many machines, each would decode and apply every message for
 * itself at the same time; on one machine that work would only measure the simulation.
 *
 * What is shared: the decoding of equal bytes, and the TableState. What is not: each agent checks that the message is the
 * next one for it. One agent per process shares nothing, and shows what the sharing leaves out.
 */
import type { ControllerMessage, DeltaMessage, SnapshotMessage } from "../../protocol/channel.ts";
import { decodeFrame } from "../../agent/control/decode-frame.ts";
import { TableState } from "../../routing/table-state.ts";
import { CHANGED_AT_LABEL } from "./cluster-files.ts";

/** Agents are seldom further apart than this; what one that is gets is decoded once more. */
const REMEMBERED_MESSAGES = 128;

export class SharedTable {
  readonly #decoded = new Map<string, ControllerMessage | undefined>();
  readonly #changedAt = new WeakMap<DeltaMessage, readonly number[]>();
  #table: TableState | undefined;

  get table(): TableState | undefined {
    return this.#table;
  }

  decode(bytes: Buffer, isBinary: boolean): ControllerMessage | undefined {
    const key = bytes.toString("latin1");
    if (this.#decoded.has(key)) return this.#decoded.get(key);
    const message = decodeFrame(bytes, isBinary);
    this.#decoded.set(key, message);
    for (const oldest of this.#decoded.keys()) {
      if (this.#decoded.size <= REMEMBERED_MESSAGES) break;
      this.#decoded.delete(oldest);
    }
    return message;
  }

  /** The first agent that takes a message applies it, for all. */
  apply(message: SnapshotMessage | DeltaMessage): void {
    const current = this.#table;
    if (message.kind === "snapshot") {
      const { epoch, sequence } = message.table;
      if (current?.epoch !== epoch || current.sequence < sequence) this.#table = new TableState(message.table);
      return;
    }
    const { epoch, sequence } = message.delta;
    if (current?.epoch === epoch && current.sequence >= sequence) return;
    if (current === undefined) throw new TypeError("Change came before a table");
    current.apply(message.delta);
  }

  /** When the changes in this message were made, in monotonic microseconds. */
  changedAt(message: DeltaMessage): readonly number[] {
    let times = this.#changedAt.get(message);
    if (times === undefined) {
      times = changeTimes(message);
      this.#changedAt.set(message, times);
    }
    return times;
  }
}

export function changeTimes(message: DeltaMessage): readonly number[] {
  const labels = (message.delta.upserts.workload ?? []).map((workload) => workload.labels[CHANGED_AT_LABEL]);
  return labels.filter((label) => label !== undefined).map(Number);
}
