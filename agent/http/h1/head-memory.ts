/**
 * What a connection has said before: programs send the same fields with every message, and mostly the very same head. What is the
 * same byte for byte means the same, and is not read again.
 *
 *   once            its bytes are kept
 *   again           what they mean is kept: of the fields, and of the head if all of it was the same
 *   from then on    used, until other bytes come
 *
 * What is kept is never changed: who uses it gets fields of its own.
 */
import { httpLimits } from "../limits.ts";
import { LF } from "./byte-classes.ts";
import type { FieldSection } from "./connection-fields.ts";

const NOTHING = Buffer.alloc(0);

export class HeadMemory<Head> {
  /** Of the same fields as last time, if that was twice. */
  section: FieldSection | undefined;
  #head: Head | undefined;
  /** What else the head's meaning depends on. */
  #about = "";
  #bytes = NOTHING;
  #lineBytes = 0;
  #length = 0;

  /** Of the head that is known. */
  get length(): number {
    return this.#length;
  }

  /** Of its start line. */
  get lineBytes(): number {
    return this.#lineBytes;
  }

  get fieldBytes(): number {
    return this.#length - this.#lineBytes;
  }

  /** The head that begins there is the one that came last. */
  isAt(chunk: Buffer, at: number): boolean {
    return this.#isAt(chunk, at, 0);
  }

  /** Where in the head that begins at `at` the same fields begin that came last, to its end; -1: it has others. */
  fieldsAt(chunk: Buffer, at: number): number {
    if (this.#length === 0) return -1;
    const fieldsAt = chunk.indexOf(LF, at) + 1;
    return fieldsAt > 0 && this.#isAt(chunk, fieldsAt, this.#lineBytes) ? fieldsAt : -1;
  }

  /** Undefined: not known yet. */
  headAbout(about: string): Head | undefined {
    return this.#about === about ? this.#head : undefined;
  }

  keepHead(head: Head, about: string): void {
    this.#head = head;
    this.#about = about;
  }

  /** This one came; its fields begin after `lineBytes`. The same fields mean what they did. */
  keepBytes(chunk: Buffer, from: number, lineBytes: number, to: number, isSameFields: boolean): void {
    const length = to - from;
    this.#head = undefined;
    if (!isSameFields) this.section = undefined;
    this.#length = length <= httpLimits.rememberedHeadBytes ? length : 0;
    this.#lineBytes = lineBytes;
    if (this.#length === 0) return;
    if (length > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(length);
    chunk.copy(this.#bytes, 0, from, to);
  }

  #isAt(chunk: Buffer, at: number, from: number): boolean {
    const end = at + this.#length - from;
    if (this.#length === 0 || end > chunk.length) return false;
    return chunk.compare(this.#bytes, from, this.#length, at, end) === 0;
  }
}
