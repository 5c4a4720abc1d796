/** Joins a HEADERS frame and its CONTINUATION frames to one header block (RFC 9113 sections 6.2 and 6.10). */
import { Flag } from "./frame-format.ts";
import type { Http2Bounds } from "./http2-bounds.ts";
import { Http2Error } from "./http2-error.ts";

/** Exclusive bit, dependency and weight: deprecated, skipped. */
const PRIORITY_BYTES = 5;

export class HeaderAssembly {
  readonly #bounds: Http2Bounds;
  /** Of the message that is being read, or was read last. */
  streamId = 0;
  endStream = false;
  #parts: Buffer[] = [];
  #bytes = 0;
  #isOpen = false;

  constructor(bounds: Http2Bounds) {
    this.#bounds = bounds;
  }

  /** Bytes of a block that is not complete yet. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /** Between a HEADERS frame and the end of its block: no other frame may come. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The whole block, valid like `payload`; undefined when more is to come. */
  begin(flags: number, streamId: number, payload: Buffer): Buffer | undefined {
    this.streamId = streamId;
    this.endStream = (flags & Flag.endStream) !== 0;
    const fragment = withoutPadding(flags, payload);
    if ((flags & Flag.endHeaders) !== 0) return fragment;
    this.#isOpen = true;
    this.#keep(fragment);
    return undefined;
  }

  continue(flags: number, streamId: number, payload: Buffer): Buffer | undefined {
    if (!this.#isOpen || streamId !== this.streamId) {
      throw new Http2Error("protocol-error", "CONTINUATION frame without the HEADERS frame of its stream");
    }
    this.#keep(payload);
    if ((flags & Flag.endHeaders) === 0) return undefined;
    const block = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    this.#isOpen = false;
    return block;
  }

  #keep(fragment: Buffer): void {
    this.#bytes += fragment.length;
    if (this.#bytes > this.#bounds.headerBlockBytes) throw endless("headerBlockBytes");
    if (this.#parts.length > this.#bounds.continuationFrames) throw endless("continuationFrames");
    this.#parts.push(Buffer.from(fragment));
  }
}

function endless(limit: keyof Http2Bounds): Http2Error {
  return new Http2Error("enhance-your-calm", "Peer sends a header block that does not end", limit);
}

function withoutPadding(flags: number, payload: Buffer): Buffer {
  const isPadded = (flags & Flag.padded) !== 0;
  const from = (isPadded ? 1 : 0) + ((flags & Flag.priority) !== 0 ? PRIORITY_BYTES : 0);
  const padding = isPadded ? (payload[0] ?? 0) : 0;
  if (payload.length < from) throw new Http2Error("frame-size-error", "HEADERS frame is too short for its flags");
  const to = payload.length - padding;
  if (to < from) throw new Http2Error("protocol-error", "HEADERS frame has more padding than bytes");
  return payload.subarray(from, to);
}
