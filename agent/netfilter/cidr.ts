/**
 * CIDRs in the spelling that the kernel gives back: host bits cleared, a single address without its prefix length.
 * Sets are compared with the kernel's as text, so there must be one text per network.
 */
import ipaddr from "ipaddr.js";
import type { AddressFamily } from "../../routing/address.ts";

const DOT = ".".charCodeAt(0);
const ZERO = "0".charCodeAt(0);

export class Cidr {
  readonly family: AddressFamily;
  readonly prefixLength: number;
  readonly #network: ipaddr.IPv4 | ipaddr.IPv6;
  readonly #text: string;
  /** IPv4 only: the network as a number, and the bits of it that count. */
  readonly #number: number;
  readonly #mask: number;

  private constructor(network: ipaddr.IPv4 | ipaddr.IPv6, prefixLength: number) {
    this.#network = network;
    this.prefixLength = prefixLength;
    this.family = network.kind() === "ipv4" ? 4 : 6;
    this.#number = this.family === 4 ? ipv4Number(network.toString()) : 0;
    const text = network.toString();
    this.#text = prefixLength === this.#addressBits ? text : `${text}/${prefixLength}`;
    // A shift by 32 would be one by 0.
    this.#mask = prefixLength === 0 ? 0 : -1 << (32 - prefixLength);
  }

  /** Undefined when the text is neither a CIDR nor an address. */
  static parse(text: string): Cidr | undefined {
    if (ipaddr.isValidCIDR(text)) {
      const [address, prefixLength] = ipaddr.parseCIDR(text);
      const kind = address.kind() === "ipv4" ? ipaddr.IPv4 : ipaddr.IPv6;
      return new Cidr(kind.networkAddressFromCIDR(`${address.toString()}/${prefixLength}`), prefixLength);
    }
    if (!ipaddr.isValid(text)) return undefined;
    const address = ipaddr.parse(text);
    return new Cidr(address, address.kind() === "ipv4" ? 32 : 128);
  }

  get #addressBits(): number {
    return this.family === 4 ? 32 : 128;
  }

  toString(): string {
    return this.#text;
  }

  /** `address`: normalized text of any family. Asked for every pod of the cluster: IPv4 is compared as a number. */
  holds(address: string): boolean {
    if (address.includes(":") !== (this.family === 6)) return false;
    if (this.family === 4) return this.#holdsNumber(ipv4Number(address));
    return ipaddr.parse(address).match([this.#network, this.prefixLength] as [ipaddr.IPv4, number]);
  }

  covers(other: Cidr): boolean {
    if (other.family !== this.family || other.prefixLength < this.prefixLength) return false;
    return this.family === 4 ? this.#holdsNumber(other.#number) : this.holds(other.#network.toString());
  }

  #holdsNumber(number: number): boolean {
    return ((number ^ this.#number) & this.#mask) === 0;
  }

  /** `hash:net` knows no prefix length 0: then the two halves. */
  halvesOfAll(): readonly Cidr[] {
    if (this.prefixLength > 0) return [this];
    const upper = this.family === 4 ? "128.0.0.0" : "8000::";
    return [this.#network, ipaddr.parse(upper)].map((network) => new Cidr(network, 1));
  }

  /**
   * The network's own and its first address, which network plugins give to the node's bridge or tunnel device (host-local IPAM
   * never gives them to a pod). None for networks too small to have pods beside them.
   */
  nodeAddresses(): readonly string[] {
    if (this.#addressBits - this.prefixLength < 2) return [];
    const bytes = this.#network.toByteArray();
    const last = bytes.length - 1;
    const first = ipaddr.fromByteArray(bytes.map((byte, index) => (index === last ? byte + 1 : byte)));
    return [this.#network.toString(), first.toString()];
  }
}

/** Parses all, leaving out what is no CIDR: documents were judged long before they came here. */
export function parseCidrs(texts: readonly string[]): readonly Cidr[] {
  return texts.map((text) => Cidr.parse(text)).filter((cidr) => cidr !== undefined);
}

/** Dotted decimal, known to be valid -> its 32 bits, as a signed number. */
function ipv4Number(address: string): number {
  let number = 0;
  let part = 0;
  for (let at = 0; at < address.length; at += 1) {
    const code = address.charCodeAt(at);
    if (code === DOT) {
      number = (number << 8) | part;
      part = 0;
    } else part = part * 10 + code - ZERO;
  }
  return (number << 8) | part;
}
