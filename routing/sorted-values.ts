/** Values by their names, changed one at a time and given in the order of the names, sorted when they are asked for. */
import { compareText } from "./compare-text.ts";

export class SortedValues<V> {
  #values = new Map<string, V>();
  #isSorted = true;

  get(name: string): V | undefined {
    return this.#values.get(name);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  set(name: string, value: V): void {
    if (!this.#values.has(name)) this.#isSorted = false;
    this.#values.set(name, value);
  }

  delete(name: string): void {
    this.#values.delete(name);
  }

  inOrder(): ReadonlyMap<string, V> {
    if (!this.#isSorted) this.#values = new Map([...this.#values].sort(([a], [b]) => compareText(a, b)));
    this.#isSorted = true;
    return this.#values;
  }
}
