/**
 * The shortest honest conversation with a MySQL or MariaDB server: read its greeting (the server speaks first), log in
 * without a password, quit. Protocol::HandshakeV10 and HandshakeResponse41; no query is needed.
 *
 *   <- greeting    -> login    <- OK    -> quit    <- end of connection
 */
import type { Socket } from "node:net";
import { HawserError } from "../../core/errors.ts";

/** Packet: 3 bytes length, 1 byte number, payload. */
const HEADER_BYTES = 4;
const PROTOCOL_VERSION = 10;
const OK = 0x00;
const SWITCH_AUTHENTICATION = 0xfe;
const COMMAND_QUIT = 0x01;
const PLUGIN = "mysql_native_password";

const CLIENT_LONG_PASSWORD = 0x1;
const CLIENT_PROTOCOL_41 = 0x200;
const CLIENT_SECURE_CONNECTION = 0x8000;
const CLIENT_PLUGIN_AUTH = 0x80000;
const CAPABILITIES = CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH;
const MAX_PACKET_BYTES = 1 << 24;
const CHARSET_UTF8 = 33;

export interface MysqlPacket {
  readonly number: number;
  readonly payload: Buffer;
}

/** Resolves when the server has closed the connection after our quit. `onGreeting` is called as soon as it is whole. */
export async function runMysqlSession(socket: Socket, user: string, onGreeting: () => void): Promise<void> {
  let stage: "greeting" | "login" | "done" = "greeting";
  for await (const packet of packetsOf(socket)) {
    const code = packet.payload[0];
    if (stage === "greeting") {
      if (code !== PROTOCOL_VERSION) throw refusal("greeting", packet);
      onGreeting();
      socket.write(encodePacket(packet.number + 1, loginPayload(user)));
      stage = "login";
    } else if (code === SWITCH_AUTHENTICATION) {
      socket.write(encodePacket(packet.number + 1, Buffer.alloc(0)));
    } else if (code === OK) {
      socket.end(encodePacket(0, Buffer.from([COMMAND_QUIT])));
      stage = "done";
    } else throw refusal("login", packet);
  }
  if (stage !== "done") throw new HawserError("connection-closed", `Connection ended while waiting for ${stage}`);
}

/** Whole packets of the stream, in order. */
async function* packetsOf(stream: AsyncIterable<Buffer>): AsyncGenerator<MysqlPacket> {
  let received: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    received = Buffer.concat([received, chunk]);
    for (let packet = firstPacket(received); packet !== undefined; packet = firstPacket(received)) {
      received = received.subarray(HEADER_BYTES + packet.payload.length);
      yield packet;
    }
  }
}

export function firstPacket(bytes: Buffer): MysqlPacket | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const end = HEADER_BYTES + bytes.readUIntLE(0, 3);
  if (bytes.length < end) return undefined;
  return { number: bytes.readUInt8(3), payload: bytes.subarray(HEADER_BYTES, end) };
}

export function encodePacket(number: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntLE(payload.length, 0, 3);
  header.writeUInt8(number & 0xff, 3);
  return Buffer.concat([header, payload]);
}

function loginPayload(user: string): Buffer {
  const fixed = Buffer.alloc(32);
  fixed.writeUInt32LE(CAPABILITIES, 0);
  fixed.writeUInt32LE(MAX_PACKET_BYTES, 4);
  fixed.writeUInt8(CHARSET_UTF8, 8);
  // The single 0 is the length of the password's proof: there is no password.
  return Buffer.concat([fixed, Buffer.from(`${user}\0`), Buffer.from([0]), Buffer.from(`${PLUGIN}\0`)]);
}

/** An ERR packet: 0xff, number, then (protocol 4.1, after login) "#" and a state, then text. */
function refusal(stage: string, packet: MysqlPacket): HawserError {
  const text = packet.payload.toString("latin1", 3).replaceAll(/[^\x20-\x7e]/g, "");
  return new HawserError("database-refused", `Server refused ${stage}: ${text}`);
}
