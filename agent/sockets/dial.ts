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
  const ipv6 = net.isIPv6(options.address);
  const fd = openSocket(ipv6);
  let socket: net.Socket;
  try {
    setMark(fd, options.mark);
    // Node's word for it makes the call twice, once more when it is connected.
    setNoDelay(fd);
    if (options.source !== undefined) bindSource(fd, options.source, ipv6);
    // From here on the socket object owns the descriptor.
    socket = new net.Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
  socket.connect({ host: options.address, port: options.port });
  return socket;
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
