/** Makes a server that listens give what it accepts as raw sockets, where Node has what they need. */
import type { Server, Socket } from "node:net";
import type { PodSocket } from "./pod-socket.ts";
import { RawSocket } from "./raw-socket.ts";
import { listeningHandle, type TcpInternals } from "./tcp-internals.ts";

/** Failures go on to the server's `error`. False: the server goes on emitting `connection`. */
export function acceptPods(
  server: Server,
  internals: TcpInternals | undefined,
  onSocket: (socket: PodSocket) => void,
): boolean {
  const handle = listeningHandle(server);
  if (handle === undefined || internals === undefined) return false;
  const { onconnection: accepted } = handle;
  handle.onconnection = (error, client) => {
    if (error !== 0 || client === undefined) accepted.call(handle, error, client);
    else onSocket(new RawSocket(internals, client));
  };
  return true;
}

/** What was accepted as a stream, before anything was read of it. The other one is over then. */
export function streamOf(socket: PodSocket): Socket {
  // What is not raw came by `connection`.
  return socket instanceof RawSocket ? socket.toStream() : (socket as Socket);
}
