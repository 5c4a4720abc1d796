/**
 * Messages of netlink(7), to the kernel and back (pure). Whatever the bytes, a parser answers or throws NetfilterError
 * `kernel-unreadable`; it never reads beyond them.
 *
 *   message    length u32 | type u16 | flags u16 | sequence u32 | port u32 | payload, padded to 4
 *   attribute  length u16 | type u16 | value, padded to 4                     (integers of the host: little-endian)
 */
import { SocketError } from "../sockets/libc.ts";
import { MAX_NETLINK_ANSWER_BYTES } from "./limits.ts";
import { NetfilterError } from "./netfilter-error.ts";

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly payload: Buffer;
}

export interface NetlinkQuestion {
  /** For the message of an error: `list policy rules`. */
  readonly action: string;
  readonly type: number;
  /** All objects, in as many messages as it takes; else one. */
  readonly dump: boolean;
  readonly payload: Buffer;
}

export interface NetlinkAnswer {
  readonly messages: readonly NetlinkMessage[];
  /** Something changed while it was listed: objects may be missing or double. */
  readonly interrupted: boolean;
}

// include/uapi/linux/netlink.h
const HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
const ATTRIBUTE_TYPE_MASK = 0x3fff;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

export function renderQuestion({ type, dump, payload }: NetlinkQuestion): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(HEADER_BYTES + payload.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(NLM_F_REQUEST | (dump ? NLM_F_DUMP : 0), 6);
  return Buffer.concat([header, payload]);
}

export function renderAttribute(type: number, value: Buffer): Buffer {
  const length = ATTRIBUTE_HEADER_BYTES + value.length;
  const attribute = Buffer.alloc(padded(length));
  attribute.writeUInt16LE(length, 0);
  attribute.writeUInt16LE(type, 2);
  value.copy(attribute, ATTRIBUTE_HEADER_BYTES);
  return attribute;
}

/**
 * The whole answer; `receive` gives the next datagram. Throws SocketError when the kernel refuses, and NetfilterError
 * `kernel-unreadable`.
 */
export function collectAnswer({ action, dump }: NetlinkQuestion, receive: () => Buffer): NetlinkAnswer {
  const messages: NetlinkMessage[] = [];
  let interrupted = false;
  for (let bytes = 0; bytes <= MAX_NETLINK_ANSWER_BYTES; ) {
    const datagram = receive();
    if (datagram.length === 0) throw unreadable(`the answer to "${action}" is empty`);
    bytes += datagram.length;
    for (const message of parseMessages(datagram)) {
      interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
      const isLast = message.type === NLMSG_ERROR || message.type === NLMSG_DONE;
      if (isLast) refuse(action, message);
      else messages.push(message);
      if (isLast || !dump) return { messages, interrupted };
    }
  }
  throw unreadable(`the answer to "${action}" is longer than ${MAX_NETLINK_ANSWER_BYTES} bytes`);
}

/** The messages of one datagram. */
export function parseMessages(bytes: Buffer): readonly NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const left = bytes.length - offset;
    const length = left < HEADER_BYTES ? 0 : bytes.readUInt32LE(offset);
    if (length < HEADER_BYTES || length > left) throw unreadable(`a message of ${length} bytes, ${left} are left`);
    messages.push({
      type: bytes.readUInt16LE(offset + 4),
      flags: bytes.readUInt16LE(offset + 6),
      payload: bytes.subarray(offset + HEADER_BYTES, offset + length),
    });
    offset += padded(length);
  }
  return messages;
}

/** Type -> value; of several of one type the last. */
export function parseAttributes(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  for (let offset = 0; offset < bytes.length; ) {
    const left = bytes.length - offset;
    const length = left < ATTRIBUTE_HEADER_BYTES ? 0 : bytes.readUInt16LE(offset);
    if (length < ATTRIBUTE_HEADER_BYTES || length > left) {
      throw unreadable(`an attribute of ${length} bytes, ${left} are left`);
    }
    const type = bytes.readUInt16LE(offset + 2) & ATTRIBUTE_TYPE_MASK;
    attributes.set(type, bytes.subarray(offset + ATTRIBUTE_HEADER_BYTES, offset + length));
    offset += padded(length);
  }
  return attributes;
}

/** An attribute that must be there, with at least so many bytes. */
export function requireAttribute(attributes: ReadonlyMap<number, Buffer>, type: number, bytes: number): Buffer {
  const value = attributes.get(type);
  if (value === undefined || value.length < bytes) throw unreadable(`attribute ${type} is missing or too short`);
  return value;
}

/** What comes after a header of so many bytes. */
export function afterHeader({ payload }: NetlinkMessage, bytes: number): Buffer {
  if (payload.length < bytes) throw unreadable(`a payload of ${payload.length} bytes`);
  return payload.subarray(bytes);
}

/** NLMSG_ERROR and NLMSG_DONE both begin with an error number, negative; 0: all is well. */
function refuse(action: string, { payload }: NetlinkMessage): void {
  if (payload.length < 4) throw unreadable(`the answer to "${action}" ends without its result`);
  const errno = -payload.readInt32LE(0);
  if (errno !== 0) throw new SocketError(action, errno);
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

function unreadable(what: string): NetfilterError {
  return new NetfilterError("kernel-unreadable", `Cannot read the kernel's netlink answer: ${what}`);
}
