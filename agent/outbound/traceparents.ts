/**
 * New `traceparent` values (W3C Trace Context, section 3.2), one for each connection. Random bytes are fetched for many
 * at a time: asked for 24 at a time they cost 20 us.
 */
import { randomFillSync } from "node:crypto";

/** Trace id and parent id. */
const ID_BYTES = 24;
const TRACE_ID_BYTES = 16;
const IDS_AT_ONCE = 128;

export class Traceparents {
  readonly #pool = Buffer.alloc(ID_BYTES * IDS_AT_ONCE);
  #at = this.#pool.length;

  /** Not sampled: whether a trace is kept is for the application to say. */
  next(): string {
    if (this.#at === this.#pool.length) {
      randomFillSync(this.#pool);
      this.#at = 0;
    }
    const at = this.#at;
    this.#at += ID_BYTES;
    const parentAt = at + TRACE_ID_BYTES;
    return `00-${this.#pool.toString("hex", at, parentAt)}-${this.#pool.toString("hex", parentAt, this.#at)}-00`;
  }
}
