/**
 * Equal parts of objects become one and the same value: pods of one Deployment have the same labels and containers, and
 * held as they were parsed they would take most of the memory. It only remembers: when it is full it starts over.
 */

/** Each keeps a text of some hundred bytes. */
const MAX_VALUES = 8_192;

export class SharedJson {
  readonly #values = new Map<string, unknown>();

  /** An equal value that was given before, or this one. Nobody may change either. */
  share<T>(value: T): T {
    const key = JSON.stringify(value);
    const known = this.#values.get(key);
    if (known !== undefined) return known as T;
    if (this.#values.size >= MAX_VALUES) this.#values.clear();
    this.#values.set(key, value);
    return value;
  }
}
