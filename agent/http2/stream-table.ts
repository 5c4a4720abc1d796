/**
 * The streams of one connection by their identifier, and which identifiers were used (RFC 9113 section 5.1.1): odd
 * ones, in ascending order, given by the client. Servers open none, push is off.
 */
import { MAX_STREAM_ID } from "./frame-format.ts";
import { Http2Error } from "./http2-error.ts";
import type { Http2Stream } from "./http2-stream.ts";

/**
 * What a Map holds for a while must be taken out of its entry, too: whenever a Map is tidied, V8 chains its old table to the new
 * one, and a table that has outlived two collections of young objects keeps all that follow, with everything that was in them
 * when they were left, up to the next full collection.
 */
interface Place<Stream> {
  stream: Stream | undefined;
}

export class StreamTable<Stream extends Http2Stream> {
  readonly #places = new Map<number, Place<Stream>>();
  #nextId = 1;

  get size(): number {
    return this.#places.size;
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
    this.add(id, stream);
    return id;
  }

  /** Server: the client used this identifier. Identifiers that it skipped are closed. */
  use(id: number): void {
    if (id % 2 === 0) throw new Http2Error("protocol-error", `Client opens stream ${id}, an even number`);
    this.#nextId = id + 2;
  }

  /** Server: a stream with an identifier that was used. */
  add(id: number, stream: Stream): void {
    this.#places.set(id, { stream });
  }

  /** undefined: closed. Throws for streams that were never opened: nobody may name them (section 5.1). */
  find(id: number): Stream | undefined {
    const stream = this.#places.get(id)?.stream;
    if (stream === undefined && (id >= this.#nextId || id % 2 === 0)) {
      throw new Http2Error("protocol-error", `Peer sends a frame for stream ${id}, which was not opened`);
    }
    return stream;
  }

  *all(): IterableIterator<Stream> {
    for (const { stream } of this.#places.values()) if (stream !== undefined) yield stream;
  }

  remove(id: number): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    place.stream = undefined;
    this.#places.delete(id);
  }

  /** Removes the streams above `id`. */
  takeAbove(id: number): Stream[] {
    const taken = [...this.all()].filter((stream) => stream.id > id);
    for (const stream of taken) this.remove(stream.id);
    return taken;
  }

  /** False: a window is larger than there can be. */
  growSendWindows(bytes: number): boolean {
    let isWithinBounds = true;
    for (const stream of this.all()) isWithinBounds = stream.growSendWindow(bytes) && isWithinBounds;
    return isWithinBounds;
  }
}
