/**
 * An Ethernet frame -> the addresses, ports and payload of its IP packet, as views into the frame.
 *
 * Reads IPv4, and IPv6 with its extension headers. Anything it does not know, or that is cut off before its ports, is
 * undefined: the caller counts it.
 */

export interface IpPacket {
  readonly family: 4 | 6;
  /** 4 or 16 bytes. */
  readonly source: Buffer;
  readonly destination: Buffer;
  /** IANA protocol number after any extension headers. */
  readonly protocol: number;
  /** Part of a fragmented packet other than its beginning: has no ports, all of it is payload. */
  readonly laterFragment: boolean;
  /** 0 when the protocol has none. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** TCP only. */
  readonly sequence: number;
  readonly flags: number;
  readonly payload: Buffer;
}

export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;

const ETHERNET_HEADER_BYTES = 14;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;

// RFC 8200 section 4: the extension headers that may stand before the transport header.
const IPV6_FRAGMENT = 44;
const IPV6_AUTHENTICATION = 51;
const IPV6_EXTENSIONS: ReadonlySet<number> = new Set([0, 43, IPV6_FRAGMENT, IPV6_AUTHENTICATION, 60, 135]);

/** Where the transport header starts, and what kind it is. */
interface Transport {
  readonly protocol: number;
  readonly bytes: Buffer;
  readonly laterFragment: boolean;
}

export function decodePacket(frame: Buffer): IpPacket | undefined {
  if (frame.length < ETHERNET_HEADER_BYTES) return undefined;
  const etherType = frame.readUInt16BE(ETHERNET_HEADER_BYTES - 2);
  if (etherType === ETHERTYPE_IPV4) return decodeIpv4(frame.subarray(ETHERNET_HEADER_BYTES));
  return etherType === ETHERTYPE_IPV6 ? decodeIpv6(frame.subarray(ETHERNET_HEADER_BYTES)) : undefined;
}

function decodeIpv4(bytes: Buffer): IpPacket | undefined {
  if (bytes.length < 20) return undefined;
  const headerBytes = (bytes.readUInt8(0) & 0x0f) * 4;
  // A total length of 0 is what segmentation offload leaves behind for packets above 64 KiB.
  const totalBytes = bytes.readUInt16BE(2) || bytes.length;
  if (headerBytes < 20 || totalBytes < headerBytes || bytes.length < headerBytes) return undefined;
  const transport: Transport = {
    protocol: bytes.readUInt8(9),
    bytes: bytes.subarray(headerBytes, totalBytes),
    laterFragment: (bytes.readUInt16BE(6) & 0x1fff) !== 0,
  };
  return decodeTransport(4, bytes.subarray(12, 16), bytes.subarray(16, 20), transport);
}

function decodeIpv6(bytes: Buffer): IpPacket | undefined {
  if (bytes.length < 40) return undefined;
  const payloadBytes = bytes.readUInt16BE(4);
  const end = payloadBytes === 0 ? bytes.length : Math.min(bytes.length, 40 + payloadBytes);
  const transport = skipExtensions(bytes.readUInt8(6), bytes.subarray(40, end));
  if (transport === undefined) return undefined;
  return decodeTransport(6, bytes.subarray(8, 24), bytes.subarray(24, 40), transport);
}

function skipExtensions(first: number, afterHeader: Buffer): Transport | undefined {
  let protocol = first;
  let bytes = afterHeader;
  let laterFragment = false;
  while (IPV6_EXTENSIONS.has(protocol) && !laterFragment) {
    if (bytes.length < 8) return undefined;
    if (protocol === IPV6_FRAGMENT) laterFragment = bytes.readUInt16BE(2) >> 3 !== 0;
    const length = extensionBytes(protocol, bytes.readUInt8(1));
    if (bytes.length < length) return undefined;
    protocol = bytes.readUInt8(0);
    bytes = bytes.subarray(length);
  }
  return { protocol, bytes, laterFragment };
}

/** RFC 8200 section 4 (units of 8 bytes after the first 8), RFC 4302 section 2.2 (units of 4, less 2). */
function extensionBytes(protocol: number, lengthField: number): number {
  if (protocol === IPV6_FRAGMENT) return 8;
  return protocol === IPV6_AUTHENTICATION ? (lengthField + 2) * 4 : (lengthField + 1) * 8;
}

function decodeTransport(
  family: 4 | 6,
  source: Buffer,
  destination: Buffer,
  transport: Transport,
): IpPacket | undefined {
  const { protocol, bytes, laterFragment } = transport;
  const common = { family, source, destination, protocol, laterFragment };
  const withoutPorts = { ...common, sourcePort: 0, destinationPort: 0, sequence: 0, flags: 0 };
  if (laterFragment || (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP))
    return { ...withoutPorts, payload: bytes };
  if (bytes.length < (protocol === PROTOCOL_TCP ? 20 : 8)) return undefined;
  const ports = { sourcePort: bytes.readUInt16BE(0), destinationPort: bytes.readUInt16BE(2) };
  if (protocol === PROTOCOL_UDP) return { ...common, ...ports, sequence: 0, flags: 0, payload: bytes.subarray(8) };
  const headerBytes = (bytes.readUInt8(12) >> 4) * 4;
  if (headerBytes < 20) return undefined;
  const tcp = { sequence: bytes.readUInt32BE(4), flags: bytes.readUInt8(13) };
  return { ...common, ...ports, ...tcp, payload: bytes.subarray(headerBytes) };
}
