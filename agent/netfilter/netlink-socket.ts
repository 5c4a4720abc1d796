/**
 * Asks the kernel over netlink(7), in this thread: answers of the kernel itself are there when send() returns, and the
 * next part of a long one is made by recv(). One socket per question: no answer of one can be taken for another's.
 */
import koffi from "koffi";
import { closeSocket, SocketError } from "../sockets/libc.ts";
import { MAX_DUMP_ATTEMPTS } from "./limits.ts";
import { NetfilterError } from "./netfilter-error.ts";
import { collectAnswer, type NetlinkAnswer, type NetlinkQuestion, renderQuestion } from "./netlink-messages.ts";
import type { NetlinkMessage } from "./netlink-messages.ts";

export type NetlinkProtocol = "route" | "netfilter";

// Values of the generic Linux ABI (include/uapi/linux/netlink.h, include/linux/socket.h).
const PROTOCOLS: Readonly<Record<NetlinkProtocol, number>> = { route: 0, netfilter: 12 };
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_NETLINK = 270;
const NETLINK_GET_STRICT_CHK = 12;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;

/** The kernel fills at most 32 KB at once (netlink_dump, af_netlink.c); mostly it is a few hundred bytes. Used again by every call. */
const received = Buffer.allocUnsafeSlow(32_768);

const libc = koffi.load("libc.so.6");
const cSocket = libc.func("int socket(int, int, int)");
const cSetsockopt = libc.func("int setsockopt(int, int, int, const void*, uint32_t)");
const cSend = libc.func("long send(int, const void*, size_t, int)");
const cRecv = libc.func("long recv(int, void*, size_t, int)");

/** All messages of the answer. Throws SocketError or NetfilterError `kernel-unreadable`. */
export function askKernel(protocol: NetlinkProtocol, question: NetlinkQuestion): readonly NetlinkMessage[] {
  for (let attempt = 1; attempt <= MAX_DUMP_ATTEMPTS; attempt += 1) {
    const { messages, interrupted } = ask(protocol, question);
    if (!interrupted) return messages;
  }
  throw new NetfilterError("kernel-unreadable", `Cannot ${question.action}: it changes all the time`);
}

function ask(protocol: NetlinkProtocol, question: NetlinkQuestion): NetlinkAnswer {
  const { action } = question;
  const fd = cSocket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, PROTOCOLS[protocol]) as number;
  if (fd < 0) throw new SocketError("open a netlink socket", koffi.errno());
  try {
    // Only then are the routes of one table listed, and not a router's million (Linux 4.20).
    if (protocol === "route") beStrict(fd);
    const bytes = renderQuestion(question);
    if (cSend(fd, bytes, bytes.length, 0) !== bytes.length) throw new SocketError(action, koffi.errno());
    return collectAnswer(question, () => receive(fd, action));
  } finally {
    closeSocket(fd);
  }
}

function beStrict(fd: number): void {
  const on = Buffer.from([1, 0, 0, 0]);
  if (cSetsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, on, on.length) !== 0) {
    throw new SocketError("set NETLINK_GET_STRICT_CHK", koffi.errno());
  }
}

function receive(fd: number, action: string): Buffer {
  const length = cRecv(fd, received, received.length, MSG_DONTWAIT | MSG_TRUNC) as number;
  if (length < 0) throw new SocketError(action, koffi.errno());
  if (length > received.length)
    throw new NetfilterError("kernel-unreadable", `Cannot ${action}: ${length} bytes at once`);
  return Buffer.from(received.subarray(0, length));
}
