/**
 * The few libc calls that Node has no words for: IP_TRANSPARENT, SO_MARK, SO_ORIGINAL_DST and bind-before-connect.
 *
 * Everything here is a plain system call on a file descriptor, made through koffi; no pointer outlives its call.
 */
import { constants } from "node:os";
import ipaddr from "ipaddr.js";
import koffi from "koffi";
import { HawserError } from "../../core/errors.ts";

// Values of the generic Linux ABI, the same on x86-64 and arm64 (include/uapi/asm-generic, include/uapi/linux).
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SHUT_WR = 1;
const SOL_IP = 0;
const SOL_SOCKET = 1;
const SOL_IPV6 = 41;
const SOL_TCP = 6;
const SO_REUSEADDR = 2;
const SO_KEEPALIVE = 9;
const SO_LINGER = 13;
const SO_REUSEPORT = 15;
const SO_MARK = 36;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const IPV6_V6ONLY = 26;
/** SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST (include/uapi/linux/netfilter_ipv4.h, netfilter_ipv6/ip6_tables.h). */
const ORIGINAL_DST = 80;

export type SocketErrorCode = "socket-failed";

/** A socket option or call was refused by the kernel; `errnoName` is e.g. `EADDRINUSE`. */
export class SocketError extends HawserError<SocketErrorCode> {
  readonly errnoName: string;

  constructor(action: string, errno: number) {
    const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
    const hint = name === "EPERM" ? ", the agent needs CAP_NET_ADMIN" : "";
    super("socket-failed", `Cannot ${action}: ${name}${hint}`);
    this.errnoName = name;
  }
}

const libc = koffi.load("libc.so.6");
const cSocket = libc.func("int socket(int, int, int)");
const cSetsockopt = libc.func("int setsockopt(int, int, int, const void*, uint32_t)");
const cGetsockopt = libc.func("int getsockopt(int, int, int, void*, void*)");
const cBind = libc.func("int bind(int, const void*, uint32_t)");
const cListen = libc.func("int listen(int, int)");
const cGetsockname = libc.func("int getsockname(int, void*, void*)");
const cShutdown = libc.func("int shutdown(int, int)");
const cClose = libc.func("int close(int)");

const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

const ON = int32(1);
/** struct linger { l_onoff = 1, l_linger = 0 }: close() sends RST (socket(7), SO_LINGER; tcp(7)). */
const LINGER_RESET = Buffer.concat([int32(1), int32(0)]);
const LINGER_OFF = Buffer.alloc(8);

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32LE(value);
  return buffer;
}

/** A non-blocking TCP socket. The caller owns the descriptor. */
export function openSocket(ipv6: boolean): number {
  const fd = cSocket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) as number;
  if (fd < 0) throw new SocketError("open a TCP socket", koffi.errno());
  return fd;
}

/** Lets the socket be bound to, and accept for, addresses that are not this host's (ip(7), IP_TRANSPARENT). */
export function setTransparent(fd: number, ipv6: boolean): void {
  if (ipv6) setOption(fd, SOL_IPV6, IPV6_TRANSPARENT, ON, "set IPV6_TRANSPARENT");
  else setOption(fd, SOL_IP, IP_TRANSPARENT, ON, "set IP_TRANSPARENT");
}

export function setMark(fd: number, mark: number): void {
  setOption(fd, SOL_SOCKET, SO_MARK, int32(mark), `set SO_MARK ${mark}`);
}

export function setReuseAddress(fd: number): void {
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, ON, "set SO_REUSEADDR");
}

export function setReusePort(fd: number): void {
  setOption(fd, SOL_SOCKET, SO_REUSEPORT, ON, "set SO_REUSEPORT");
}

export function setNoDelay(fd: number): void {
  setOption(fd, SOL_TCP, TCP_NODELAY, ON, "set TCP_NODELAY");
}

/** As `socket.setKeepAlive`: the first probe after `idleMs`, then ten, a second apart (tcp(7)). */
export function setKeepAlive(fd: number, idleMs: number): void {
  setOption(fd, SOL_TCP, TCP_KEEPIDLE, int32(Math.round(idleMs / 1_000)), "set TCP_KEEPIDLE");
  setOption(fd, SOL_TCP, TCP_KEEPINTVL, int32(1), "set TCP_KEEPINTVL");
  setOption(fd, SOL_TCP, TCP_KEEPCNT, int32(10), "set TCP_KEEPCNT");
  setOption(fd, SOL_SOCKET, SO_KEEPALIVE, ON, "set SO_KEEPALIVE");
}

/**
 * While it is on, closing the descriptor drops what is unsent and sends RST (socket(7), SO_LINGER with no time). Harmless
 * when the connection is gone.
 */
export function setResetOnClose(fd: number, on: boolean): void {
  const linger = on ? LINGER_RESET : LINGER_OFF;
  cSetsockopt(fd, SOL_SOCKET, SO_LINGER, linger, linger.length);
}

export function setIpv6Only(fd: number): void {
  setOption(fd, SOL_IPV6, IPV6_V6ONLY, ON, "set IPV6_V6ONLY");
}

/** `address` must be a literal of the socket's family; port 0 lets the kernel choose. */
export function bindSocket(fd: number, address: string, port: number, ipv6: boolean): void {
  const sockaddr = ipv6 ? sockaddrIn6(address, port) : sockaddrIn(address, port);
  if (cBind(fd, sockaddr, sockaddr.length) !== 0) {
    throw new SocketError(`bind to ${address} port ${port}`, koffi.errno());
  }
}

export function listenSocket(fd: number, backlog: number): void {
  if (cListen(fd, backlog) !== 0) throw new SocketError("listen", koffi.errno());
}

/** The port the kernel gave the socket. sin_port and sin6_port are at the same place. */
export function boundPort(fd: number): number {
  const sockaddr = Buffer.alloc(SOCKADDR_IN6_BYTES);
  if (cGetsockname(fd, sockaddr, int32(sockaddr.length)) !== 0) {
    throw new SocketError("read the socket's address", koffi.errno());
  }
  return sockaddr.readUInt16BE(2);
}

/** Fills the whole buffer with the option's value; false when the kernel refuses, see `koffi.errno()`. */
export function getOption(fd: number, level: number, option: number, value: Buffer): boolean {
  return cGetsockopt(fd, level, option, value, int32(value.length)) === 0;
}

/**
 * Where the client's packets were sent before the nat table gave them another destination; undefined when conntrack knows of
 * no such thing. Costs one look into its table.
 */
export function originalDestination(fd: number, ipv6: boolean): { address: string; port: number } | undefined {
  const sockaddr = Buffer.alloc(ipv6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES);
  if (!getOption(fd, ipv6 ? SOL_IPV6 : SOL_IP, ORIGINAL_DST, sockaddr)) return undefined;
  const bytes = ipv6 ? sockaddr.subarray(8, 24) : sockaddr.subarray(4, 8);
  return { address: ipaddr.fromByteArray([...bytes]).toString(), port: sockaddr.readUInt16BE(2) };
}

/** Sends FIN after what was written. Harmless when the connection is gone. */
export function shutdownSocket(fd: number): void {
  cShutdown(fd, SHUT_WR);
}

export function closeSocket(fd: number): void {
  cClose(fd);
}

function setOption(fd: number, level: number, option: number, value: Buffer, action: string): void {
  if (cSetsockopt(fd, level, option, value, value.length) !== 0) throw new SocketError(action, koffi.errno());
}

/** struct sockaddr_in (ip(7)): family in host order, port and address in network order. */
function sockaddrIn(address: string, port: number): Buffer {
  const buffer = Buffer.alloc(SOCKADDR_IN_BYTES);
  buffer.writeUInt16LE(AF_INET, 0);
  buffer.writeUInt16BE(port, 2);
  address.split(".").forEach((octet, index) => buffer.writeUInt8(Number(octet), 4 + index));
  return buffer;
}

/** struct sockaddr_in6 (ipv6(7)): family, port, flow info, 16 bytes of address, scope. */
function sockaddrIn6(address: string, port: number): Buffer {
  const buffer = Buffer.alloc(SOCKADDR_IN6_BYTES);
  buffer.writeUInt16LE(AF_INET6, 0);
  buffer.writeUInt16BE(port, 2);
  ipv6Groups(address).forEach((group, index) => buffer.writeUInt16BE(group, 8 + 2 * index));
  return buffer;
}

/** The eight 16-bit groups of an IPv6 literal without embedded IPv4 (RFC 4291 section 2.2). */
function ipv6Groups(address: string): number[] {
  const [head = "", tail] = address.split("::");
  const parse = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const left = parse(head);
  const right = tail === undefined ? [] : parse(tail);
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<number>(zeros).fill(0), ...right];
}
