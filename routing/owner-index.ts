/**
 * Which owner a key belongs to, kept up to date one owner at a time.
 *
 * A compiled table gives every address one owner, but while changes are applied one by one two owners may claim the
 * same key for a moment (a pod's address passes to the next pod). The index remembers every claim, and answers with
 * the smallest owner, so that the answer depends on the set of claims and never on their order.
 */
export class OwnerIndex {
  readonly #owner = new Map<string, string>();
  /** Only keys with two or more claims; almost always empty. */
  readonly #claims = new Map<string, Set<string>>();

  get(key: string): string | undefined {
    return this.#owner.get(key);
  }

  add(key: string, owner: string): void {
    const present = this.#owner.get(key);
    if (present === undefined) {
      this.#owner.set(key, owner);
      return;
    }
    if (present === owner) return;
    const claims = this.#claims.get(key) ?? new Set([present]);
    claims.add(owner);
    this.#claims.set(key, claims);
    if (owner < present) this.#owner.set(key, owner);
  }

  remove(key: string, owner: string): void {
    const claims = this.#claims.get(key);
    if (claims === undefined) {
      if (this.#owner.get(key) === owner) this.#owner.delete(key);
      return;
    }
    claims.delete(owner);
    this.#owner.set(key, smallest(claims));
    if (claims.size === 1) this.#claims.delete(key);
  }
}

function smallest(claims: ReadonlySet<string>): string {
  let least: string | undefined;
  for (const claim of claims) if (least === undefined || claim < least) least = claim;
  return least ?? "";
}
