/**
 * One snapshot or change in the bytes that go to agents: as the text of a frame, or packed for those that read that. Made
 * once, however many agents it is sent to.
 */
import { constants, zstdCompressSync } from "node:zlib";
import type { DeltaMessage, SnapshotMessage } from "../protocol/channel.ts";

/** What is smaller hardly becomes smaller, and one packet carries it anyway. */
const LEAST_PACKED_BYTES = 2 * 1024;
/** A table has the same keys in every entry: the fastest level leaves a tenth of it, the slower ones hardly less. */
const LEVEL = 1;

export interface Frame {
  /** Shared: must not be changed. */
  readonly bytes: Buffer;
  readonly binary: boolean;
}

export class TableMessage {
  readonly kind: "snapshot" | "delta";
  readonly epoch: string;
  readonly sequence: number;
  readonly #plain: Frame;
  #packed: Frame | undefined;

  constructor(message: SnapshotMessage | DeltaMessage) {
    const { epoch, sequence } = message.kind === "snapshot" ? message.table : message.delta;
    this.kind = message.kind;
    this.epoch = epoch;
    this.sequence = sequence;
    this.#plain = { bytes: Buffer.from(JSON.stringify(message)), binary: false };
  }

  /** Of the text. */
  get size(): number {
    return this.#plain.bytes.length;
  }

  /** `packed`: the receiver reads zstd. */
  frame(packed: boolean): Frame {
    if (!packed || this.size < LEAST_PACKED_BYTES) return this.#plain;
    this.#packed ??= { bytes: pack(this.#plain.bytes), binary: true };
    return this.#packed;
  }
}

function pack(text: Buffer): Buffer {
  return zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } });
}
