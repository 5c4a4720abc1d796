/**
 * The state of one kind of protection, by what shares it. It outlives the table that it was made for: a part of a policy
 * that comes again with other numbers changes them and keeps its counts, one that is gone takes its state along.
 */
import type { PolicyPart } from "../../../protocol/route-table.ts";
import { protectLimits } from "./limits.ts";

export interface ScopedStatesOptions<P extends PolicyPart, S> {
  readonly create: (part: P) => S;
  readonly adapt: (state: S, part: P) => void;
  /** The part is gone; who still has the state may go on with it. */
  readonly dismiss: (state: S) => void;
  readonly onLimit: (name: "protectedScopes") => void;
}

interface Held<P, S> {
  part: P;
  readonly state: S;
}

export class ScopedStates<P extends PolicyPart, S> {
  readonly #options: ScopedStatesOptions<P, S>;
  readonly #held = new Map<string, Held<P, S>>();

  constructor(options: ScopedStatesOptions<P, S>) {
    this.#options = options;
  }

  get size(): number {
    return this.#held.size;
  }

  all(): Iterable<Readonly<Held<P, S>>> {
    return this.#held.values();
  }

  /** As it is now; undefined: gone. */
  partOf(key: string): P | undefined {
    return this.#held.get(key)?.part;
  }

  of(key: string, part: P): S {
    const known = this.#held.get(key);
    if (known !== undefined) {
      this.#adapt(known, part);
      return known.state;
    }
    if (this.#held.size >= protectLimits.protectedScopes) this.#forgetOldest();
    const created = { part, state: this.#options.create(part) };
    this.#held.set(key, created);
    return created.state;
  }

  /** What the newest table has; all else goes. */
  follow(parts: ReadonlyMap<string, P>): void {
    for (const [key, held] of this.#held) {
      const part = parts.get(key);
      if (part === undefined) this.#forget(key, held);
      else this.#adapt(held, part);
    }
  }

  #adapt(held: Held<P, S>, part: P): void {
    if (held.part === part) return;
    held.part = part;
    this.#options.adapt(held.state, part);
  }

  #forgetOldest(): void {
    for (const [key, held] of this.#held) {
      this.#options.onLimit("protectedScopes");
      this.#forget(key, held);
      return;
    }
  }

  #forget(key: string, { state }: Held<P, S>): void {
    this.#held.delete(key);
    this.#options.dismiss(state);
  }
}
