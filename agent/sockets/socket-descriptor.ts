/** The file descriptor of a socket, for which Node has no public name; undefined when it is gone. */
import type { PodSocket } from "./pod-socket.ts";
import { RawSocket } from "./raw-socket.ts";

type NodeSocket = PodSocket & { readonly _handle?: { readonly fd?: number } | null };

export function socketDescriptor(socket: PodSocket): number | undefined {
  const fd = socket instanceof RawSocket ? socket.fd : (socket as NodeSocket)._handle?.fd;
  return fd !== undefined && fd >= 0 && !socket.destroyed ? fd : undefined;
}
