/**
 * A body in chunks (RFC 9112 section 7.1), in bytes that come cut anywhere. Content is passed on in slices as it comes.
 *
 *   size -digits- -;-> extension -CR-> sizeLf -LF-> content -> contentCr -> contentLf -> size
 *                  \-CR-----------------/  \-of 0-> trailers -> done
 *
 * Extensions are checked and dropped: no reader may find a line's end in one where we found none.
 */
import { httpLimits } from "../limits.ts";
import { CR, HEX_VALUES, LF, SEMICOLON, TEXT_BYTES } from "./byte-classes.ts";
import type { Fields } from "../fields.ts";
import { H1Error } from "./h1-error.ts";
import type { HeadScanner } from "./head-scanner.ts";

type State = "size" | "extension" | "sizeLf" | "content" | "contentCr" | "contentLf" | "trailers" | "done";

const HEX_DIGIT_VALUES = 16;
/** More is no size that a number counts exactly; zeros in front are legal, but not by the dozen. */
const MAX_SIZE_DIGITS = 16;
/** Names with `=` and a token or a quoted string, each behind a semicolon; no spaces, which section 7.1.1 has for old senders only. */
const EXTENSIONS =
  /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)+$/;

/** Fields that decide about framing, routing or the connection: too late for them (RFC 9110 section 6.5.1). */
const NO_TRAILERS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

export class ChunkReader {
  readonly #scanner: HeadScanner;
  readonly #onContent: (content: Buffer) => void;
  #state: State = "size";
  #digits = 0;
  #size = 0;
  /** Content of this chunk still to come. */
  #left = 0;
  #extension = "";
  /** Of all chunks of this body. */
  #extensionBytes = 0;

  constructor(scanner: HeadScanner, onContent: (content: Buffer) => void) {
    this.#scanner = scanner;
    this.#onContent = onContent;
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  /** Once done; undefined when there are none. */
  get trailers(): Fields | undefined {
    return this.#scanner.fields.size === 0 ? undefined : this.#scanner.fields;
  }

  begin(): void {
    this.#extensionBytes = 0;
    this.#beginChunk();
  }

  /** The position up to which it has read: the chunk's end, or the body's. Throws H1Error. */
  read(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length) {
      switch (this.#state) {
        case "size":
          this.#readSize(chunk[at] as number);
          at += 1;
          break;
        case "extension":
          this.#readExtension(chunk[at] as number);
          at += 1;
          break;
        case "content":
          at = this.#passContent(chunk, at);
          break;
        case "trailers":
          at = this.#scanner.scan(chunk, at);
          if (at === -1) return chunk.length;
          this.#endTrailers();
          return at;
        case "done":
          return at;
        default:
          this.#readLineEnd(chunk[at] as number);
          at += 1;
      }
    }
    return at;
  }

  #beginChunk(): void {
    this.#state = "size";
    this.#digits = 0;
    this.#size = 0;
    this.#extension = "";
  }

  #readSize(byte: number): void {
    const value = HEX_VALUES[byte] as number;
    if (value < HEX_DIGIT_VALUES) {
      this.#digits += 1;
      this.#size = this.#size * HEX_DIGIT_VALUES + value;
      if (this.#digits > MAX_SIZE_DIGITS || !Number.isSafeInteger(this.#size)) {
        throw new H1Error("bad-chunk", "The size of a chunk is too large");
      }
      return;
    }
    if (this.#digits === 0) throw new H1Error("bad-chunk", "A chunk begins without a size");
    if (byte === CR) this.#state = "sizeLf";
    else if (byte === SEMICOLON) this.#beginExtension();
    else throw new H1Error("bad-chunk", "The size of a chunk is not a hexadecimal number");
  }

  #beginExtension(): void {
    this.#state = "extension";
    this.#extension = ";";
    this.#extensionBytes += 1;
  }

  #readExtension(byte: number): void {
    if (byte === CR) {
      if (!EXTENSIONS.test(this.#extension)) throw new H1Error("bad-chunk", "An extension of a chunk is malformed");
      this.#state = "sizeLf";
      return;
    }
    if (TEXT_BYTES[byte] === 0) throw new H1Error("bad-chunk", "An extension of a chunk has a control character");
    this.#extension += String.fromCharCode(byte);
    this.#extensionBytes += 1;
    if (this.#extensionBytes > httpLimits.chunkExtensionBytes) {
      throw new H1Error("bad-chunk", `A body has more than ${httpLimits.chunkExtensionBytes} bytes of extensions`);
    }
  }

  #passContent(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    if (this.#left === 0) this.#state = "contentCr";
    this.#onContent(chunk.subarray(at, end));
    return end;
  }

  #readLineEnd(byte: number): void {
    if (byte !== (this.#state === "contentCr" ? CR : LF)) {
      throw new H1Error("bad-chunk", "A chunk does not end where its size says, with CR and LF");
    }
    if (this.#state === "contentCr") this.#state = "contentLf";
    else if (this.#state === "contentLf") this.#beginChunk();
    else this.#endSize();
  }

  #endSize(): void {
    if (this.#size === 0) {
      this.#scanner.begin("trailers");
      this.#state = "trailers";
      return;
    }
    this.#left = this.#size;
    this.#state = "content";
  }

  #endTrailers(): void {
    for (const key of this.#scanner.fields.keys) {
      if (NO_TRAILERS.has(key)) throw new H1Error("bad-trailer", `${key} cannot be a trailer`);
    }
    this.#state = "done";
  }
}
