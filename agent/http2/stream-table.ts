/**
 * The streams of one connection by their identifier, and which identifiers were used (RFC 9113 section 5.1.1): odd
 * ones, in ascending order, given by the client. Servers open none, push is off.
 */
import { MAX_STREAM_ID } from "./frame-format.ts";
import { Http2Error } from "./http2-error.ts";
import type { Http2Stream } from "./http2-stream.ts";

export class StreamTable<Stream extends Http2Stream> {
  readonly #streams = new Map<number, Stream>();
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
  open(stream: Stream): number {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#streams.set(id, stream);
    return id;
  }

  /** Server: the client used this identifier. Identifiers that it skipped are closed. */
  use(id: number): void {
    if (id % 2 === 0) throw new Http2Error("protocol-error", `Client opens stream ${id}, an even number`);
    this.#nextId = id + 2;
  }

  /** Server: a stream with an identifier that was used. */
  add(id: number, stream: Stream): void {
    this.#streams.set(id, stream);
  }

  /** undefined: closed. Throws for streams that were never opened: nobody may name them (section 5.1). */
  find(id: number): Stream | undefined {
    const stream = this.#streams.get(id);
    if (stream === undefined && (id >= this.#nextId || id % 2 === 0)) {
      throw new Http2Error("protocol-error", `Peer sends a frame for stream ${id}, which was not opened`);
    }
    return stream;
  }

  all(): IterableIterator<Stream> {
    return this.#streams.values();
  }

  remove(id: number): void {
    this.#streams.delete(id);
  }

  /** Removes the streams above `id`. */
  takeAbove(id: number): Stream[] {
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
