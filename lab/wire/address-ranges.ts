/** A set of CIDRs, asked with addresses as they stand in packets. */
import ipaddr from "ipaddr.js";

interface Range {
  readonly prefix: readonly number[];
  readonly prefixBits: number;
}

export class AddressRanges {
  readonly #ranges: readonly Range[];

  /** Throws on text that is not a CIDR. */
  constructor(cidrs: readonly string[]) {
    this.#ranges = cidrs.map((cidr) => {
      const [address, prefixBits] = ipaddr.parseCIDR(cidr);
      return { prefix: address.toByteArray(), prefixBits };
    });
  }

  /** `address`: 4 or 16 bytes. */
  has(address: Uint8Array): boolean {
    return this.#ranges.some((range) => range.prefix.length === address.length && startsWith(address, range));
  }
}

function startsWith(address: Uint8Array, { prefix, prefixBits }: Range): boolean {
  const wholeBytes = prefixBits >> 3;
  for (let i = 0; i < wholeBytes; i++) if (address[i] !== prefix[i]) return false;
  const mask = (0xff00 >> (prefixBits & 7)) & 0xff;
  return mask === 0 || ((address[wholeBytes] ?? 0) & mask) === ((prefix[wholeBytes] ?? 0) & mask);
}
