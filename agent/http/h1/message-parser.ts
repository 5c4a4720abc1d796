/**
 * Reads one message after the other from the bytes of a connection, cut anywhere.
 *
 *   head -> [interim heads of a response -> head] -> body | chunked body | body until close -> onEnd -> head
 *
 * `read` stops after each message, so that whoever owns the connection decides when the next one is due; what follows is
 * still the owner's. It throws H1Error at what must not be passed on, after which nothing may be read any more.
 */
import { ChunkReader } from "./chunk-reader.ts";
import type { Fields } from "../fields.ts";
import type { Framing } from "./framing.ts";
import { H1Error } from "./h1-error.ts";
import { HeadReader, type HeadReaderOptions } from "./head-reader.ts";
import { HeadScanner } from "./head-scanner.ts";
import { readRequestHead, type H1RequestHead } from "./request-head.ts";
import { readResponseHead, type H1ResponseHead } from "./response-head.ts";

export interface MessageSink<Head> {
  onHead(head: Head): void;
  /** A slice of what was read, which may be kept. Never empty. */
  onBody(content: Buffer): void;
  /** The message is complete. */
  onEnd(trailers: Fields | undefined): void;
}

interface AnyHead {
  readonly fields: Fields;
  readonly framing: Framing;
  readonly keepAlive: boolean;
  readonly isInterim: boolean;
}

type State = "head" | "length" | "chunked" | "until-close" | "closed";

export class MessageParser<Head extends AnyHead> {
  readonly #sink: MessageSink<Head>;
  readonly #scanner = new HeadScanner();
  readonly #heads: HeadReader<Head>;
  readonly #chunks: ChunkReader;
  #state: State = "head";
  #isLast = false;
  #begun = false;
  /** Of a body of known length: bytes still to come. */
  #left = 0;

  constructor(heads: Omit<HeadReaderOptions<Head>, "scanner">, sink: MessageSink<Head>) {
    this.#heads = new HeadReader({ ...heads, scanner: this.#scanner });
    this.#sink = sink;
    this.#chunks = new ChunkReader(this.#scanner, (content) => sink.onBody(content));
  }

  /** A message has begun and is not complete. */
  get isMidMessage(): boolean {
    return this.#begun;
  }

  /** The peer has announced the end of the connection, and everything before it was read. */
  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Bytes of an incomplete head. */
  get heldBytes(): number {
    return this.#scanner.heldBytes;
  }

  /** Reads from `at` and returns where it stopped: right after a message, or at the chunk's end. */
  read(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length) {
      if (this.#state === "head") {
        this.#begun = true;
        at = this.#heads.read(chunk, at);
        if (at === -1) return chunk.length;
        if (this.#headRead()) return at;
      } else {
        at = this.#readBody(chunk, at);
        if (!this.#begun) return at;
      }
    }
    return at;
  }

  /** The peer has ended its direction. False: in the middle of a message. */
  finish(): boolean {
    if (this.#state === "until-close") this.#endMessage(undefined);
    return !this.#begun;
  }

  /** True: the message is complete already. */
  #headRead(): boolean {
    const head = this.#heads.take();
    if (!head.isInterim) {
      this.#isLast = !head.keepAlive;
      this.#beginBody(head.framing);
    }
    this.#sink.onHead(head);
    if (head.isInterim || head.framing.body !== "none") return false;
    this.#endMessage(undefined);
    return true;
  }

  #beginBody({ body, length = 0 }: Framing): void {
    if (body === "none") return;
    this.#state = body;
    if (body === "length") this.#left = length;
    else if (body === "chunked") this.#chunks.begin();
  }

  #readBody(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case "length":
        return this.#passContent(chunk, at, Math.min(chunk.length, at + this.#left));
      case "chunked": {
        const end = this.#chunks.read(chunk, at);
        if (this.#chunks.isDone) this.#endMessage(this.#chunks.trailers);
        return end;
      }
      case "until-close":
        return this.#passContent(chunk, at, chunk.length);
      default:
        throw new H1Error("after-close", "Bytes follow a message that was to be the last one");
    }
  }

  #passContent(chunk: Buffer, at: number, end: number): number {
    this.#sink.onBody(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    if (this.#state !== "length") return end;
    this.#left -= end - at;
    if (this.#left === 0) this.#endMessage(undefined);
    return end;
  }

  #endMessage(trailers: Fields | undefined): void {
    this.#begun = false;
    this.#state = this.#isLast ? "closed" : "head";
    this.#sink.onEnd(trailers);
  }
}

export function createRequestParser(sink: MessageSink<H1RequestHead>): MessageParser<H1RequestHead> {
  return new MessageParser({ kind: "request", readHead: readRequestHead, about: () => "" }, sink);
}

/** `method` tells which request the next response answers: it decides whether a body follows. */
export function createResponseParser(
  sink: MessageSink<H1ResponseHead>,
  method: () => string,
): MessageParser<H1ResponseHead> {
  return new MessageParser({ kind: "response", readHead: readResponseHead, about: method }, sink);
}
