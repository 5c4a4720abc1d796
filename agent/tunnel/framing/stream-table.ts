/**
 * The streams of one connection by their identifier, and which identifiers were used (RFC 9113 section 5.1.1): odd
 * ones, in ascending order, given by the client. Servers open none, push is off.
 */
import { MAX_STREAM_ID } from "./frame-format.ts";
import { FramingError } from "./framing-error.ts";
import type { FramingStream } from "./framing-stream.ts";

export class StreamTable {
  readonly #streams = new Map<number, FramingStream>();
  #nextId = 1;

  get size(): number {
    return this.#streams.size;
  }

  /** The highest identifier that was used; 0: none. */
  get lastId(): number {
    return Math.max(0, this.#nextId - 2);
  }

  /** There are no identifiers left: the connection has to be replaced. */
  get isExhausted(): boolean {
    return this.#nextId > MAX_STREAM_ID;
  }

  /** Client: gives the stream its identifier. */
  open(stream: FramingStream): number {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#streams.set(id, stream);
    return id;
  }

  /** Server: the client used this identifier. Identifiers that it skipped are closed. */
  use(id: number): void {
    if (id % 2 === 0) throw new FramingError("protocol-error", `Client opens stream ${id}, an even number`);
    this.#nextId = id + 2;
  }

  /** Server: a stream with an identifier that was used. */
  add(id: number, stream: FramingStream): void {
    this.#streams.set(id, stream);
  }

  /** undefined: closed. Throws for streams that were never opened: nobody may name them (section 5.1). */
  find(id: number): FramingStream | undefined {
    const stream = this.#streams.get(id);
    if (stream === undefined && (id >= this.#nextId || id % 2 === 0)) {
      throw new FramingError("protocol-error", `Peer sends a frame for stream ${id}, which was not opened`);
    }
    return stream;
  }

  remove(id: number): void {
    this.#streams.delete(id);
  }

  /** Removes the streams above `id`. */
  takeAbove(id: number): FramingStream[] {
    const taken = [...this.#streams.values()].filter((stream) => stream.id > id);
    for (const stream of taken) this.#streams.delete(stream.id);
    return taken;
  }

  /** False: a window is larger than there can be. */
  growSendWindows(bytes: number): boolean {
    let isWithinBounds = true;
    for (const stream of this.#streams.values()) isWithinBounds = stream.growSendWindow(bytes) && isWithinBounds;
    return isWithinBounds;
  }
}
