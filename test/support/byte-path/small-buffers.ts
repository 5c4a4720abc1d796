/** Gives a socket buffers in the kernel that a write fills: it is taken in part, and the rest has to wait in our process. */
import koffi from "koffi";
import type { PodSocket } from "../../../agent/sockets/pod-socket.ts";
import { socketDescriptor } from "../../../agent/sockets/socket-descriptor.ts";

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
/** socket(7): the kernel doubles it. Less than half a segment of loopback would wait for timers. */
const BYTES = new Uint8Array(new Int32Array([32 * 1024]).buffer);

const setsockopt = koffi
  .load("libc.so.6")
  .func("int setsockopt(int fd, int level, int option, const void *value, uint32_t length)");

export function smallBuffers(socket: PodSocket): void {
  const fd = socketDescriptor(socket);
  if (fd === undefined) return;
  for (const option of [SO_SNDBUF, SO_RCVBUF]) setsockopt(fd, SOL_SOCKET, option, BYTES, BYTES.length);
}
