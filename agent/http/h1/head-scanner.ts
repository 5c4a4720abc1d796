/**
 * Finds the lines of a head, or of a trailer section, in bytes that come cut anywhere, and checks each of them on the way.
 *
 *   start -> line -CR-> lineLf -LF-> nameStart -> name -:-> valueStart -> value -CR-> valueLf -LF-> nameStart
 *     \-CR-> startLf -LF-> line          \-CR-> endLf -LF-> done
 *
 * One empty line before a request line is skipped (RFC 9112 section 2.2). A head that comes whole, as nearly all do, is read
 * where it lies; one that is cut is gathered in a buffer of its own. What is refused, and at which byte, does not depend
 * on the cuts.
 */
import { httpLimits } from "../limits.ts";
import { COLON, CR, HTAB, LF, REQUEST_LINE_BYTES, SP, TEXT_BYTES, TOKEN_BYTES } from "./byte-classes.ts";
import { Fields } from "../fields.ts";
import { H1Error } from "./h1-error.ts";

export type SectionKind = "request" | "response" | "trailers";

/** Numbers, because the walk compares them for every part of a line. */
const State = {
  start: 0,
  startLf: 1,
  line: 2,
  lineLf: 3,
  nameStart: 4,
  name: 5,
  valueStart: 6,
  value: 7,
  valueLf: 8,
  endLf: 9,
} as const;
type State = (typeof State)[keyof typeof State];

/** Positions per field: begin and end of its name, begin and end of its value. */
const MARKS_PER_FIELD = 4;
const HTTP = "HTTP/";
const LINE_END_BYTES = 2;
/** Most heads that come cut fit. */
const HELD_BYTES = 2 * 1024;
const NOTHING = Buffer.alloc(0);

export class HeadScanner {
  /** The start line of the section that was read last; empty for trailers. */
  line = "";
  /** Its fields; the reader's from then on. */
  fields = new Fields();
  #kind: SectionKind = "request";
  #lineBytes = REQUEST_LINE_BYTES;
  #maxBytes: number = httpLimits.headBytes;
  #state: State = State.start;
  /** Where what the state is about began, from the section's first byte. */
  #mark = 0;
  #lineStart = 0;
  #lineEnd = 0;
  /** Positions from the section's first byte: so many count, the rest is of longer heads before. */
  readonly #marks: number[] = [];
  #markCount = 0;
  #held = NOTHING;
  #heldBytes = 0;

  /** Bytes of a section that is not complete yet. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  begin(kind: SectionKind): void {
    this.#kind = kind;
    this.#lineBytes = kind === "request" ? REQUEST_LINE_BYTES : TEXT_BYTES;
    this.#maxBytes = kind === "trailers" ? httpLimits.trailerBytes : httpLimits.headBytes;
    this.#state = kind === "trailers" ? State.nameStart : State.start;
    this.#mark = 0;
    this.#lineStart = 0;
    this.#lineEnd = 0;
    this.#markCount = 0;
    this.#held = NOTHING;
    this.#heldBytes = 0;
  }

  /** Of the section that was read last, before its fields. */
  get lineBytes(): number {
    return this.#lineEnd + LINE_END_BYTES;
  }

  /**
   * Reads a start line alone, of a head whose fields are known: they begin at `to`. False: it is not just that, and nothing was
   * read. Throws as `scan` would.
   */
  scanLine(chunk: Buffer, at: number, to: number): boolean {
    this.#walk(chunk, at, to, at);
    if (this.#state !== State.nameStart) {
      this.begin(this.#kind);
      return false;
    }
    this.line = chunk.toString("latin1", at + this.#lineStart, at + this.#lineEnd);
    return true;
  }

  /** The position after the section, or -1: all was taken, and more is needed. Throws H1Error. */
  scan(chunk: Buffer, at: number): number {
    const before = this.#heldBytes;
    if (before === 0) {
      const end = this.#walk(chunk, at, chunk.length, at);
      if (end === -1) this.#hold(chunk, at);
      else this.#finish(chunk, at, end);
      return end;
    }
    this.#hold(chunk, at);
    const end = this.#walk(this.#held, before, this.#heldBytes, 0);
    if (end === -1) return -1;
    this.#finish(this.#held, 0, end);
    return at + end - before;
  }

  /** As much as can be of use: a section has a maximum. */
  #hold(chunk: Buffer, at: number): void {
    const end = Math.min(chunk.length, at + this.#maxBytes - this.#heldBytes);
    const needed = this.#heldBytes + end - at;
    if (needed > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(this.#maxBytes, Math.max(HELD_BYTES, needed * 2)));
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    chunk.copy(this.#held, this.#heldBytes, at, end);
    this.#heldBytes = needed;
  }

  /** `base`: where in `bytes` the section began. The position after it, or -1. */
  #walk(bytes: Buffer, from: number, to: number, base: number): number {
    const end = Math.min(to, base + this.#maxBytes);
    let at = from;
    while (at < end) {
      const byte = bytes[at] as number;
      switch (this.#state) {
        case State.start:
          if (byte === CR && this.#kind === "request") {
            this.#state = State.startLf;
            at += 1;
          } else this.#beginLine(at - base);
          break;
        case State.startLf:
          expectLf(byte);
          at += 1;
          this.#beginLine(at - base);
          break;
        case State.line:
          at = skipWhile(this.#lineBytes, bytes, at, Math.min(end, base + httpLimits.startLineBytes));
          if (at - base >= httpLimits.startLineBytes) throw lineTooLong(this.#kind);
          if (at < end) this.#endLine(bytes, at++, base);
          break;
        case State.lineLf:
        case State.valueLf:
          expectLf(byte);
          this.#state = State.nameStart;
          at += 1;
          break;
        case State.nameStart:
          if (byte === CR) {
            this.#state = State.endLf;
            at += 1;
          } else this.#beginName(byte, at - base);
          break;
        case State.name:
          at = skipWhile(TOKEN_BYTES, bytes, at, end);
          if (at < end) this.#endName(bytes[at++] as number, at - 1 - base);
          break;
        case State.valueStart:
          if (byte === SP || byte === HTAB) at += 1;
          else this.#beginValue(at - base);
          break;
        case State.value:
          at = skipWhile(TEXT_BYTES, bytes, at, end);
          if (at < end) this.#endValue(bytes[at++] as number, at - 1 - base);
          break;
        case State.endLf:
          expectLf(byte);
          return at + 1;
      }
    }
    if (at - base >= this.#maxBytes) throw tooLarge(this.#kind);
    return -1;
  }

  #beginLine(position: number): void {
    this.#lineStart = position;
    this.#state = State.line;
  }

  #endLine(bytes: Buffer, at: number, base: number): void {
    expectCr(bytes[at] as number);
    const start = base + this.#lineStart;
    if (at === start) throw new H1Error("bad-start-line", "The first line is empty");
    // A server of another protocol may stop after its greeting: the rest of a head would be waited for in vain.
    if (this.#kind === "response" && bytes.toString("latin1", start, start + HTTP.length) !== HTTP) {
      throw new H1Error("bad-start-line", "A status line begins with HTTP/");
    }
    this.#lineEnd = at - base;
    this.#state = State.lineLf;
  }

  #beginName(byte: number, position: number): void {
    if (byte === SP || byte === HTAB) {
      throw new H1Error("folded-field", "A line begins with whitespace: folded fields are not taken");
    }
    if (TOKEN_BYTES[byte] === 0) throw badName(byte);
    if (this.#markCount >= httpLimits.fields * MARKS_PER_FIELD) {
      throw new H1Error("too-many-fields", `A message has more than ${httpLimits.fields} fields`);
    }
    this.#mark = position;
    this.#state = State.name;
  }

  #endName(byte: number, position: number): void {
    if (byte !== COLON) throw badName(byte);
    this.#markPart(position);
    this.#state = State.valueStart;
  }

  #beginValue(position: number): void {
    this.#mark = position;
    this.#state = State.value;
  }

  #endValue(byte: number, position: number): void {
    expectCr(byte);
    this.#markPart(position);
    this.#state = State.valueLf;
  }

  /** Of a name or a value: where it began, and where it has ended. */
  #markPart(end: number): void {
    this.#marks[this.#markCount] = this.#mark;
    this.#marks[this.#markCount + 1] = end;
    this.#markCount += 2;
  }

  #finish(bytes: Buffer, base: number, end: number): void {
    const text = bytes.toString("latin1", base, end);
    const marks = this.#marks;
    const fields = new Fields();
    for (let index = 0; index < this.#markCount; index += MARKS_PER_FIELD) {
      const name = text.slice(marks[index], marks[index + 1]);
      const valueEnd = trimEnd(text, marks[index + 2] as number, marks[index + 3] as number);
      if (text.charCodeAt(valueEnd) === HTAB) refuseTabBehind(name);
      fields.addParsed(name, text.slice(marks[index + 2], valueEnd));
    }
    this.fields = fields;
    this.line = text.slice(this.#lineStart, this.#lineEnd);
    this.#held = NOTHING;
    this.#heldBytes = 0;
  }
}

function skipWhile(table: Uint8Array, bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && table[bytes[at] as number] === 1) at += 1;
  return at;
}

function trimEnd(text: string, start: number, end: number): number {
  let last = end;
  while (last > start && (text.charCodeAt(last - 1) === SP || text.charCodeAt(last - 1) === HTAB)) last -= 1;
  return last;
}

/** Legal, but llhttp takes `chunked` with a tab behind it for another coding. */
function refuseTabBehind(name: string): void {
  if (!/^(?:content-length|transfer-encoding)$/i.test(name)) return;
  throw new H1Error("bad-byte", `A tab follows the value of ${name}`);
}

function expectCr(byte: number): void {
  if (byte === CR) return;
  if (byte === LF) throw new H1Error("bad-line-end", "A line ends with LF alone");
  throw new H1Error("bad-byte", `A line has the byte ${hex(byte)}`);
}

function expectLf(byte: number): void {
  if (byte !== LF) throw new H1Error("bad-line-end", "CR is not followed by LF");
}

function badName(byte: number): H1Error {
  return new H1Error("bad-field-name", `The byte ${hex(byte)} cannot be in the name of a field`);
}

function lineTooLong(kind: SectionKind): H1Error {
  const message = `The first line is longer than ${httpLimits.startLineBytes} bytes`;
  return new H1Error(kind === "request" ? "target-too-long" : "head-too-large", message);
}

function tooLarge(kind: SectionKind): H1Error {
  if (kind === "trailers") {
    return new H1Error("trailers-too-large", `Trailers are longer than ${httpLimits.trailerBytes} bytes`);
  }
  return new H1Error("head-too-large", `A head is longer than ${httpLimits.headBytes} bytes`);
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
