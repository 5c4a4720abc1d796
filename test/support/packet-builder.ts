/** Crafts frames and TLS messages for tests of what reads them. Checksums are left 0: nobody checks. */
import ipaddr from "ipaddr.js";

export interface TcpFields {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly sequence?: number;
  readonly flags?: number;
  readonly payload?: Buffer;
}

export const SYN = 0x02;
export const ACK = 0x10;

export function tcpFrame(fields: TcpFields): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(fields.sourcePort, 0);
  header.writeUInt16BE(fields.destinationPort, 2);
  header.writeUInt32BE((fields.sequence ?? 0) >>> 0, 4);
  header.writeUInt8(5 << 4, 12);
  header.writeUInt8(fields.flags ?? ACK, 13);
  return ethernet(ip(fields.source, fields.destination, 6, Buffer.concat([header, fields.payload ?? Buffer.alloc(0)])));
}

export function udpFrame(fields: Omit<TcpFields, "sequence" | "flags">): Buffer {
  const payload = fields.payload ?? Buffer.alloc(0);
  const header = Buffer.alloc(8);
  header.writeUInt16BE(fields.sourcePort, 0);
  header.writeUInt16BE(fields.destinationPort, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return ethernet(ip(fields.source, fields.destination, 17, Buffer.concat([header, payload])));
}

export function ethernet(packet: Buffer): Buffer {
  const etherType = packet.readUInt8(0) >> 4 === 4 ? [0x08, 0x00] : [0x86, 0xdd];
  return Buffer.concat([Buffer.alloc(12, 2), Buffer.from(etherType), packet]);
}

/** IPv4 or IPv6 as the addresses say. */
export function ip(source: string, destination: string, protocol: number, body: Buffer): Buffer {
  const from = Buffer.from(ipaddr.parse(source).toByteArray());
  const to = Buffer.from(ipaddr.parse(destination).toByteArray());
  if (from.length === 16) {
    const header = Buffer.alloc(8);
    header.writeUInt8(0x60, 0);
    header.writeUInt16BE(body.length, 4);
    header.writeUInt8(protocol, 6);
    return Buffer.concat([header, from, to, body]);
  }
  const header = Buffer.alloc(12);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + body.length, 2);
  header.writeUInt8(protocol, 9);
  return Buffer.concat([header, from, to, body]);
}

export function tlsRecord(type: number, body: Buffer): Buffer {
  const header = Buffer.from([type, 3, 3, 0, 0]);
  header.writeUInt16BE(body.length, 3);
  return Buffer.concat([header, body]);
}

export interface ServerHelloFields {
  readonly version?: number;
  /** Undefined = no key_share. */
  readonly group?: number | undefined;
  readonly cipher?: number;
  readonly random?: Buffer;
  readonly shareBytes?: number;
}

/** The handshake message, without its record. */
export function serverHello(fields: ServerHelloFields = {}): Buffer {
  const extensions: Buffer[] = [];
  if (fields.version !== undefined) extensions.push(extension(43, uint16(fields.version)));
  if (fields.group !== undefined) {
    const share = Buffer.alloc(fields.shareBytes ?? 1120, 7);
    extensions.push(extension(51, Buffer.concat([uint16(fields.group), uint16(share.length), share])));
  }
  const extensionBytes = Buffer.concat(extensions);
  const random = fields.random ?? Buffer.alloc(32, 9);
  const body = Buffer.concat([
    ...[uint16(0x0303), random, Buffer.from([32]), Buffer.alloc(32, 5)],
    ...[uint16(fields.cipher ?? 0x1301), Buffer.from([0]), uint16(extensionBytes.length), extensionBytes],
  ]);
  return Buffer.concat([Buffer.from([2, 0]), uint16(body.length), body]);
}

function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([uint16(type), uint16(body.length), body]);
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}
