/**
 * Connections that must not end in order unless both ends said so.
 *
 * Not `socket.resetAndDestroy()`: while a FIN is on its way out libuv refuses that (uv_tcp_close_reset, EINVAL), and the
 * descriptor is then neither reset nor ever closed; and a socket that still connects is kept until it has connected.
 */
import { setResetOnClose } from "./libc.ts";
import type { PodSocket } from "./pod-socket.ts";
import { socketDescriptor } from "./socket-descriptor.ts";

/** Ends the connection with RST, whatever state it is in. Unsent data is dropped. The socket emits `close`, no `error`. */
export function resetSocket(socket: PodSocket): void {
  resetWhenClosed(socket, true);
  socket.destroy();
}

/**
 * While it is on, the kernel ends the connection with RST if this process dies: to the pod a crashed agent is then an abort,
 * never the clean end of what was a part of an answer. Must be off before the socket is ended in order.
 */
export function resetWhenClosed(socket: PodSocket, on: boolean): void {
  const fd = socketDescriptor(socket);
  if (fd !== undefined) setResetOnClose(fd, on);
}
