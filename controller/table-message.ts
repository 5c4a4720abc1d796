/**
 * One snapshot or change in the bytes that go to agents: as the text of a frame, or packed for those that read that. Made
 * once, however many agents it is sent to. Once packed, the text is not kept: agents that do not read packed frames are of
 * other makers or versions, and few.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
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
  /** Bytes of the text. */
  readonly size: number;
  #kept: Frame;

  constructor(message: SnapshotMessage | DeltaMessage) {
    const { epoch, sequence } = message.kind === "snapshot" ? message.table : message.delta;
    this.kind = message.kind;
    this.epoch = epoch;
    this.sequence = sequence;
    this.#kept = { bytes: Buffer.from(JSON.stringify(message)), binary: false };
    this.size = this.#kept.bytes.length;
  }

  /** `packed`: the receiver reads zstd. */
  frame(packed: boolean): Frame {
    if (packed && !this.#kept.binary && this.size >= LEAST_PACKED_BYTES) {
      this.#kept = { bytes: pack(this.#kept.bytes), binary: true };
    }
    if (packed || !this.#kept.binary) return this.#kept;
    return { bytes: zstdDecompressSync(this.#kept.bytes), binary: false };
  }
}

/** In memory of its own size: what zlib gives is the beginning of 64 KiB, and thousands of changes are kept. */
function pack(text: Buffer): Buffer {
  const packed = zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } });
  const kept = Buffer.allocUnsafeSlow(packed.length);
  packed.copy(kept);
  return kept;
}
