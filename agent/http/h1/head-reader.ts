/**
 * Reads the heads of one connection. Programs send the same fields with every message, and mostly the very same head: what is
 * the same byte for byte means the same, and is not read again (`head-memory.ts`).
 */
import { type Fields, withOwnFields } from "../fields.ts";
import { type FieldSection, readSection } from "./connection-fields.ts";
import { HeadMemory } from "./head-memory.ts";
import type { HeadScanner } from "./head-scanner.ts";

export interface HeadReaderOptions<Head> {
  readonly kind: "request" | "response";
  /** Of the connection, between trailers. */
  readonly scanner: HeadScanner;
  readonly readHead: (line: string, section: FieldSection, about: string) => Head;
  /** What else a head's meaning depends on. */
  readonly about: () => string;
}

export class HeadReader<Head extends { readonly fields: Fields }> {
  readonly #options: HeadReaderOptions<Head>;
  readonly #scanner: HeadScanner;
  readonly #memory = new HeadMemory<Head>();
  #head: Head | undefined;
  /** The rest of a head is to come. */
  #isCut = false;

  constructor(options: HeadReaderOptions<Head>) {
    this.#options = options;
    this.#scanner = options.scanner;
  }

  /** The position after the head, or -1: all was taken, and more is needed. Throws H1Error. */
  read(chunk: Buffer, from: number): number {
    if (this.#isCut) return this.#scan(chunk, from, false);
    const memory = this.#memory;
    if (memory.isAt(chunk, from)) return this.#readAgain(chunk, from);
    const fieldsAt = memory.fieldsAt(chunk, from);
    const end = fieldsAt === -1 ? this.#scan(chunk, from, false) : this.#scanLine(chunk, from, fieldsAt);
    if (end !== -1) memory.keepBytes(chunk, from, this.#scanner.lineBytes, end, fieldsAt !== -1);
    return end;
  }

  /** The head that was read, once. */
  take(): Head {
    const head = this.#head;
    if (head === undefined) throw new Error("No head was read");
    this.#head = undefined;
    return head;
  }

  #readAgain(chunk: Buffer, from: number): number {
    const memory = this.#memory;
    const about = this.#options.about();
    const known = memory.headAbout(about);
    if (known !== undefined) {
      this.#head = { ...known, fields: known.fields.copy(), repeats: known };
      return from + memory.length;
    }
    const end = this.#scanLine(chunk, from, from + memory.lineBytes);
    if (this.#head !== undefined) memory.keepHead(withOwnFields(this.#head), about);
    return end;
  }

  /** Of a head whose fields have come before: they begin at `fieldsAt`. */
  #scanLine(chunk: Buffer, from: number, fieldsAt: number): number {
    const { section, fieldBytes } = this.#memory;
    if (section === undefined) return this.#scan(chunk, from, true);
    const { kind, readHead, about } = this.#options;
    this.#scanner.begin(kind);
    if (!this.#scanner.scanLine(chunk, from, fieldsAt)) return this.#scan(chunk, from, true);
    this.#head = readHead(this.#scanner.line, withOwnFields(section), about());
    return fieldsAt + fieldBytes;
  }

  /** `isKept`: what its fields mean. */
  #scan(chunk: Buffer, from: number, isKept: boolean): number {
    const { kind, readHead, about } = this.#options;
    if (!this.#isCut) this.#scanner.begin(kind);
    const end = this.#scanner.scan(chunk, from);
    this.#isCut = end === -1;
    if (end === -1) return -1;
    const section = readSection(this.#scanner.fields);
    if (isKept) this.#memory.section = withOwnFields(section);
    this.#head = readHead(this.#scanner.line, section, about());
    return end;
  }
}
