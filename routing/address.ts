/**
 * IP addresses as text in one spelling, so that they can be compared and used as keys: dotted IPv4, IPv6 as in
 * RFC 5952, and an IPv4 address mapped into IPv6 (`::ffff:1.2.3.4`, what a dual-stack socket reports) as plain IPv4.
 */
import ipaddr from "ipaddr.js";

export type AddressFamily = 4 | 6;

/** Four decimal numbers up to 255, without zeros in front. */
const DOTTED = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;

/** Undefined when the text is no IP address. Addresses with a zone (`fe80::1%eth0`) lose the zone. */
export function normalizeAddress(text: string): string | undefined {
  // Every connection asks, several times: the library's way to the same answer takes ten times as long.
  if (!text.includes(":")) return DOTTED.test(text) ? text : undefined;
  const unzoned = text.split("%", 1)[0] ?? text;
  if (!ipaddr.IPv6.isValid(unzoned)) return undefined;
  const address = ipaddr.IPv6.parse(unzoned);
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String();
}

/** The network's address and the length, as `10.244.1.0/24`; undefined when the text is no CIDR. */
export function normalizeCidr(text: string): string | undefined {
  if (!ipaddr.isValidCIDR(text)) return undefined;
  const [, length] = ipaddr.parseCIDR(text);
  const network = text.includes(":")
    ? ipaddr.IPv6.networkAddressFromCIDR(text).toString()
    : ipaddr.IPv4.networkAddressFromCIDR(text).toString();
  return `${network}/${length}`;
}

/** The family of a normalized address. */
export function addressFamily(address: string): AddressFamily {
  return address.includes(":") ? 6 : 4;
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatHostPort(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
