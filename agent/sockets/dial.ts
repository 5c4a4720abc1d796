/**
 * Outgoing TCP of the agent: always with the agent's own mark, so that the rules know it, and optionally from
 * somebody else's address, so that a server sees its real client.
 */
import net from "node:net";
import {
  bindSocket,
  closeSocket,
  openSocket,
  SocketError,
  setMark,
  setNoDelay,
  setReuseAddress,
  setTransparent,
} from "./libc.ts";
import type { PodSocket } from "./pod-socket.ts";
import { RawSocket } from "./raw-socket.ts";
import type { TcpInternals } from "./tcp-internals.ts";

/** As a source's port: the kernel chooses. */
export const ANY_PORT = 0;

export interface DialOptions {
  readonly address: string;
  readonly port: number;
  /** The agent's own mark (SO_MARK). */
  readonly mark: number;
  /** Connect from this address, and from this port when it is free, else from an ephemeral one. */
  readonly source?: { readonly address: string; readonly port: number };
}

/**
 * A socket that is connecting: half-open allowed, no delay. Emits `connect`, or `error` then `close`.
 * Throws SocketError when the kernel refuses the socket itself (descriptors exhausted, no CAP_NET_ADMIN).
 */
export function dial(options: DialOptions): net.Socket {
  const socket = openAs(options, (fd) => new net.Socket({ fd, allowHalfOpen: true, readable: true, writable: true }));
  return socket.connect({ host: options.address, port: options.port });
}

/** As `dial`, for who needs no stream; without internals it is one all the same. */
export function dialPod(options: DialOptions, internals: TcpInternals | undefined): PodSocket {
  if (internals === undefined) return dial(options);
  const socket = openAs(options, (fd) => RawSocket.open(internals, fd));
  socket.connect(options.address, options.port);
  return socket;
}

/** `own` takes the descriptor over, or throws: then it is closed here. */
function openAs<T>({ address, mark, source }: DialOptions, own: (fd: number) => T): T {
  const ipv6 = net.isIPv6(address);
  const fd = openSocket(ipv6);
  try {
    setMark(fd, mark);
    // Node's word for it makes the call twice, once more when it is connected.
    setNoDelay(fd);
    if (source !== undefined) bindSource(fd, source, ipv6);
    return own(fd);
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
}

function bindSource(fd: number, source: { address: string; port: number }, ipv6: boolean): void {
  setTransparent(fd, ipv6);
  // The same source port may be in use towards other destinations: only the 4-tuple has to be unique.
  setReuseAddress(fd);
  try {
    bindSocket(fd, source.address, source.port, ipv6);
  } catch (error) {
    if (!(error instanceof SocketError) || error.errnoName !== "EADDRINUSE") throw error;
    bindSocket(fd, source.address, ANY_PORT, ipv6);
  }
}
