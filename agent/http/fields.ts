/**
 * The fields of one message, in order and as they were written. Names are compared without regard to case; bytes above
 * ASCII are Latin-1 characters, so that they leave as they came.
 */
import { HawserError } from "../../core/errors.ts";

export class FieldError extends HawserError<"bad-field"> {}

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Colon, space, CR and LF. */
const FIELD_EXTRA_BYTES = 4;

/** Looks at each field, once and in order. */
export interface FieldFilter {
  keeps(key: string, value: string): boolean;
}

export class Fields {
  /** As written. */
  names: string[];
  /** In lower case. */
  keys: string[];
  values: string[];
  /** Keys of those that no compression may remember (RFC 7541 section 7.1.3); nearly always none. */
  secrets: Set<string> | undefined;
  /** The arrays are those of others too, and copied before they change. */
  #isShared: boolean;
  /** As HTTP/1.1 writes them; kept of those that are shared, which are written again. */
  #lines: string | undefined;

  /** `of`: the same fields, which change apart from here on. */
  constructor(of?: Fields) {
    this.names = of?.names ?? [];
    this.keys = of?.keys ?? [];
    this.values = of?.values ?? [];
    this.secrets = of?.secrets;
    this.#isShared = of !== undefined;
    if (of === undefined) return;
    this.#lines = of.#lines;
    of.#isShared = true;
  }

  get size(): number {
    return this.names.length;
  }

  /** What a parser has read, which needs no check. */
  addParsed(name: string, value: string): void {
    this.#own();
    this.names.push(name);
    this.keys.push(name.toLowerCase());
    this.values.push(value);
    if (this.#lines !== undefined) this.#lines += fieldLine(name, value);
  }

  /** One more, after any of the same name. Throws FieldError for what could not be sent as one field. */
  add(name: string, value: string): void {
    if (!NAME.test(name) || !VALUE.test(value)) {
      throw new FieldError("bad-field", `Field "${name}" has a character that HTTP does not allow`);
    }
    this.addParsed(name, value);
  }

  /** In place of all of the same name. */
  set(name: string, value: string): void {
    this.delete(name.toLowerCase());
    this.add(name, value);
  }

  /** `key` in lower case. Fields of the same name are one list (RFC 9110 section 5.2), cookies one line. */
  get(key: string): string | undefined {
    let joined: string | undefined;
    for (let index = this.keys.indexOf(key); index !== -1; index = this.keys.indexOf(key, index + 1)) {
      const value = this.values[index] as string;
      joined = joined === undefined ? value : `${joined}${key === "cookie" ? "; " : ", "}${value}`;
    }
    return joined;
  }

  /** `name: value` and a line's end for each. */
  get lines(): string {
    if (this.#lines !== undefined) return this.#lines;
    const { names, values } = this;
    let text = "";
    for (let index = 0; index < names.length; index += 1) {
      text += fieldLine(names[index] as string, values[index] as string);
    }
    if (this.#isShared) this.#lines = text;
    return text;
  }

  /** As HTTP/1.1 writes them, whatever they came in. */
  get writtenBytes(): number {
    let bytes = 0;
    for (let index = 0; index < this.names.length; index += 1) {
      bytes += (this.names[index] as string).length + (this.values[index] as string).length + FIELD_EXTRA_BYTES;
    }
    return bytes;
  }

  has(key: string): boolean {
    return this.keys.includes(key);
  }

  /** All of this name, `key` in lower case. */
  delete(key: string): void {
    if (!this.has(key)) return;
    this.#change();
    for (let index = this.keys.indexOf(key); index !== -1; index = this.keys.indexOf(key, index)) {
      this.names.splice(index, 1);
      this.keys.splice(index, 1);
      this.values.splice(index, 1);
    }
  }

  /** Drops those that the filter does not keep, in place. */
  keep(filter: FieldFilter): void {
    this.#change();
    const { names, keys, values } = this;
    let kept = 0;
    for (let index = 0; index < keys.length; index += 1) {
      const key = keys[index] as string;
      if (!filter.keeps(key, values[index] as string)) continue;
      if (kept < index) {
        names[kept] = names[index] as string;
        keys[kept] = key;
        values[kept] = values[index] as string;
      }
      kept += 1;
    }
    // Setting `length` would be a call out of compiled code, for each of the three.
    while (keys.length > kept) {
      names.pop();
      keys.pop();
      values.pop();
    }
  }

  /** Another list with the same fields: what one try of a request changes, the next one must not see. */
  copy(): Fields {
    return new Fields(this);
  }

  #change(): void {
    this.#own();
    this.#lines = undefined;
  }

  #own(): void {
    if (!this.#isShared) return;
    this.#isShared = false;
    this.names = this.names.slice();
    this.keys = this.keys.slice();
    this.values = this.values.slice();
    if (this.secrets !== undefined) this.secrets = new Set(this.secrets);
  }
}

/** A head with the same fields, which change apart from here on. */
export function withOwnFields<T extends { readonly fields: Fields }>(head: T): T {
  return { ...head, fields: head.fields.copy() };
}

function fieldLine(name: string, value: string): string {
  return `${name}: ${value}\r\n`;
}
