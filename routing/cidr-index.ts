/**
 * Longest-prefix lookup of an address among CIDRs that have owners: one hash lookup per distinct prefix length, of
 * which a cluster has one or two per family. Changed one CIDR at a time.
 */
import ipaddr from "ipaddr.js";
import { OwnerIndex } from "./owner-index.ts";

export class CidrIndex {
  readonly #owners = new OwnerIndex();
  /** `family/length` -> how many CIDRs have it. */
  readonly #lengths = new Map<string, number>();
  /** The distinct lengths per family, longest first. */
  #lengths4: readonly number[] = [];
  #lengths6: readonly number[] = [];

  /** A text that is no CIDR is ignored: it holds no address. */
  add(cidr: string, owner: string): void {
    this.#change(cidr, owner, 1);
  }

  remove(cidr: string, owner: string): void {
    this.#change(cidr, owner, -1);
  }

  /** The owner of the longest CIDR that holds the (normalized) address. */
  get(address: string): string | undefined {
    const is6 = address.includes(":");
    const lengths = is6 ? this.#lengths6 : this.#lengths4;
    if (lengths.length === 0 || !ipaddr.isValid(address)) return undefined;
    const bytes = ipaddr.parse(address).toByteArray();
    for (const length of lengths) {
      const owner = this.#owners.get(prefixKey(bytes, length));
      if (owner !== undefined) return owner;
    }
    return undefined;
  }

  #change(cidr: string, owner: string, by: 1 | -1): void {
    if (!ipaddr.isValidCIDR(cidr)) return;
    const [address, length] = ipaddr.parseCIDR(cidr);
    const key = prefixKey(address.toByteArray(), length);
    if (by === 1) this.#owners.add(key, owner);
    else this.#owners.remove(key, owner);
    const lengthKey = `${address.kind() === "ipv6" ? 6 : 4}/${length}`;
    const count = (this.#lengths.get(lengthKey) ?? 0) + by;
    if (count <= 0) this.#lengths.delete(lengthKey);
    else this.#lengths.set(lengthKey, count);
    if (count === 0 || (count === 1 && by === 1)) this.#sortLengths();
  }

  #sortLengths(): void {
    const of = (family: string): number[] =>
      [...this.#lengths.keys()]
        .filter((key) => key.startsWith(family))
        .map((key) => Number(key.slice(2)))
        .sort((a, b) => b - a);
    this.#lengths4 = of("4/");
    this.#lengths6 = of("6/");
  }
}

/** `length:masked bytes`; the number of bytes tells the families apart. */
function prefixKey(bytes: readonly number[], length: number): string {
  let key = `${bytes.length}/${length}`;
  for (let i = 0; i * 8 < length; i++) {
    const kept = Math.min(8, length - i * 8);
    key += `.${(bytes[i] ?? 0) & (0xff << (8 - kept)) & 0xff}`;
  }
  return key;
}
