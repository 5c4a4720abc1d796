/**
 * Gathers what one loop turn writes to a pod's socket into one system call: frames of a stream that arrived together
 * leave together. Flushes in setImmediate, that is right after the turn's reads, so a lone message waits for nothing.
 */
import type { Socket } from "node:net";

export class WriteCoalescer {
  #corked: Socket[] = [];
  #scheduled = false;
  readonly #flush = (): void => {
    const corked = this.#corked;
    this.#corked = [];
    this.#scheduled = false;
    for (const socket of corked) socket.uncork();
  };

  /** False: wait for the socket's `drain` (the buffer was taken all the same). */
  write(socket: Socket, chunk: Buffer): boolean {
    if (socket.writableCorked === 0) {
      socket.cork();
      this.#corked.push(socket);
      if (!this.#scheduled) {
        this.#scheduled = true;
        setImmediate(this.#flush);
      }
    }
    return socket.write(chunk);
  }
}
