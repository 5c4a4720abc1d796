/** The file descriptor of a socket, for which Node has no public name; undefined when it is gone. */
import type { Socket } from "node:net";

export function socketDescriptor(socket: Socket): number | undefined {
  const fd = (socket as Socket & { _handle?: { readonly fd?: number } | null })._handle?.fd;
  return fd !== undefined && fd >= 0 && !socket.destroyed ? fd : undefined;
}
