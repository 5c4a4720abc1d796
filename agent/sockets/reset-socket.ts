/**
 * Ends a TCP connection with RST, whatever state it is in.
 *
 * Not `socket.resetAndDestroy()`: while a FIN is on its way out libuv refuses that (uv_tcp_close_reset, EINVAL), and the
 * descriptor is then neither reset nor ever closed; and a socket that still connects is kept until it has connected.
 */
import type { Socket } from "node:net";
import { setResetOnClose } from "./libc.ts";

/** Unsent data is dropped. The socket emits `close`, and no `error`. */
export function resetSocket(socket: Socket): void {
  // Node has no public name for the descriptor of a socket.
  const fd = (socket as Socket & { _handle?: { readonly fd?: number } | null })._handle?.fd;
  if (fd !== undefined && fd >= 0 && !socket.destroyed) setResetOnClose(fd);
  socket.destroy();
}
