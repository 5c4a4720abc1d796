/**
 * Things found by a name, where whoever looks one up can have it written down: what came of a computation is still right
 * for as long as every look-up that it made gives the same.
 */

/** As much of a map as is looked into. */
export interface Names<V> {
  get(name: string): V | undefined;
  keys(): Iterable<string>;
}

/** One look-up that was made, to be made again. */
export interface Read {
  readonly names: TracedNames<unknown>;
  /** Undefined: all names. */
  readonly name: string | undefined;
  readonly found: unknown;
}

/** One for all names that a computation may look up. */
export class Trace {
  #reads: Read[] | undefined;

  /** Not to be nested: what one computation makes of another one is looked up by a name of its own. */
  record<T>(compute: () => T): { readonly result: T; readonly reads: readonly Read[] } {
    const reads: Read[] = [];
    this.#reads = reads;
    try {
      return { result: compute(), reads };
    } finally {
      this.#reads = undefined;
    }
  }

  note(read: Read): void {
    this.#reads?.push(read);
  }
}

export class TracedNames<V> implements Names<V> {
  readonly #trace: Trace;
  #values: ReadonlyMap<string, V> = new Map();

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  replace(values: ReadonlyMap<string, V>): void {
    if (!isSame(this.#values, values)) this.#values = values;
  }

  get(name: string): V | undefined {
    const found = this.#values.get(name);
    this.#trace.note({ names: this, name, found });
    return found;
  }

  keys(): Iterable<string> {
    this.#trace.note({ names: this, name: undefined, found: this.#values });
    return this.#values.keys();
  }

  /** Whether the look-up, of these names, would find the same now. */
  finds({ name, found }: Read): boolean {
    return (name === undefined ? this.#values : this.#values.get(name)) === found;
  }
}

function isSame<V>(before: ReadonlyMap<string, V>, after: ReadonlyMap<string, V>): boolean {
  if (before.size !== after.size) return false;
  for (const [name, value] of after) if (before.get(name) !== value) return false;
  return true;
}
