/** Address arithmetic of the lab: hosts of a CIDR, address families, and which pod addresses are still free. */
import ipaddr from "ipaddr.js";
import { HawserError } from "../../core/errors.ts";

export type Family = 4 | 6;

export function familyOf(address: string): Family {
  return address.includes(":") ? 6 : 4;
}

/** `/32` or `/128`. */
export function hostPrefix(address: string): string {
  return `${address}/${familyOf(address) === 4 ? 32 : 128}`;
}

/** The host with this number in the CIDR: `hostAt("10.244.1.0/24", 1)` is `10.244.1.1`. */
export function hostAt(cidr: string, number: number): string {
  const [network, length] = ipaddr.parseCIDR(cidr);
  const bytes = network.toByteArray();
  const hostBits = bytes.length * 8 - length;
  if (hostBits < 31 && number >= 2 ** hostBits) {
    throw new HawserError("cidr-full", `${cidr} has no host number ${number}`);
  }
  let rest = number;
  for (let index = bytes.length - 1; rest > 0 && index >= 0; index -= 1) {
    const sum = (bytes[index] ?? 0) + (rest & 0xff);
    bytes[index] = sum & 0xff;
    rest = (rest >>> 8) + (sum >>> 8);
  }
  return ipaddr.fromByteArray(bytes).toString();
}

/** The smallest CIDR that holds all of these (of one family): what an operator would call the cluster's pod CIDR. */
export function coveringCidr(cidrs: readonly string[]): string | undefined {
  const [first, ...rest] = cidrs.map((cidr) => ipaddr.parseCIDR(cidr));
  if (first === undefined) return undefined;
  const [network] = first;
  let [, length] = first;
  for (const [other, otherLength] of rest) {
    length = Math.min(length, otherLength);
    while (!other.match(network, length)) length -= 1;
  }
  const bytes = network.toByteArray().map((byte, index) => byte & maskByte(length - index * 8));
  return `${ipaddr.fromByteArray(bytes).toString()}/${length}`;
}

function maskByte(bits: number): number {
  return bits <= 0 ? 0 : bits >= 8 ? 0xff : (0xff << (8 - bits)) & 0xff;
}

/** RFC 5952 for IPv6; IPv4 as it is. */
export function normalAddress(address: string): string {
  return ipaddr.parse(address).toString();
}

/** Hands out host numbers of a node's pod CIDRs in turn, as the host-local CNI plugin does: no early reuse. */
export class PodAddresses {
  readonly #cidrs: readonly string[];
  readonly #taken = new Set<string>();
  // 0 is the network, 1 the node's bridge.
  #last = 1;

  constructor(cidrs: readonly string[]) {
    this.#cidrs = cidrs;
  }

  /** One address per CIDR, all with the same host number. */
  take(): readonly string[] {
    for (let tries = 0; tries < 250; tries += 1) {
      this.#last = this.#last >= 250 ? 2 : this.#last + 1;
      const addresses = this.#cidrs.map((cidr) => hostAt(cidr, this.#last));
      if (addresses.some((address) => this.#taken.has(address))) continue;
      return this.reserve(addresses);
    }
    throw new HawserError("cidr-full", `No free pod address in ${this.#cidrs.join(", ")}`);
  }

  reserve(addresses: readonly string[]): readonly string[] {
    const normal = addresses.map(normalAddress);
    for (const address of normal) this.#taken.add(address);
    return normal;
  }

  release(addresses: readonly string[]): void {
    for (const address of addresses) this.#taken.delete(address);
  }
}
