/**
 * Gathers what one loop turn writes to a pod's socket into one system call: what arrived together leaves together.
 * Flushes in setImmediate, that is right after the turn's reads, so a lone message waits for nothing.
 *
 * Chunks that are only lent are copied into one block, which is used again as soon as the kernel has taken everything.
 *
 *   block  | a a a | b | a | room |      a run: what lies together for one socket
 */
import type { PodSocket } from "../sockets/pod-socket.ts";

/** What a turn brings of bulk; what is beyond is flushed at once. */
const BLOCK_BYTES = 256 * 1024;

interface Run {
  readonly socket: PodSocket;
  readonly from: number;
  to: number;
}

export class WriteCoalescer {
  #corked: PodSocket[] = [];
  #runs: Run[] = [];
  #block: Buffer | undefined;
  #filledBytes = 0;
  #isScheduled = false;
  readonly #turnEnded = (): void => {
    this.#isScheduled = false;
    this.flush();
  };

  /** Takes the buffer. False: wait for the socket's `drain` (the buffer was taken all the same). */
  write(socket: PodSocket, chunk: Buffer): boolean {
    this.#cork(socket);
    this.#schedule();
    return socket.write(chunk);
  }

  /** The buffer is the caller's again. Whether the socket keeps up is seen in its `writableLength`. */
  writeLent(socket: PodSocket, chunk: Buffer): void {
    if (chunk.length > BLOCK_BYTES - this.#filledBytes) this.flush();
    // What has to wait must neither keep a whole block nor go unseen until the turn's end. None of it is in the block then.
    if (socket.writableLength > 0 || chunk.length > BLOCK_BYTES) {
      this.write(socket, Buffer.from(chunk));
      return;
    }
    this.#block ??= Buffer.allocUnsafeSlow(BLOCK_BYTES);
    const from = this.#filledBytes;
    this.#block.set(chunk, from);
    this.#filledBytes = from + chunk.length;
    const last = this.#runs.at(-1);
    if (last?.socket === socket) last.to = this.#filledBytes;
    else this.#runs.push({ socket, from, to: this.#filledBytes });
    this.#schedule();
  }

  /** Everything goes to its socket: before one is ended. */
  flush(): void {
    const runs = this.#runs;
    this.#runs = [];
    this.#filledBytes = 0;
    for (const run of runs) this.#writeRun(run);
    const corked = this.#corked;
    this.#corked = [];
    for (const socket of corked) socket.uncork();
    if (runs.some(({ socket }) => socket.writableLength > 0)) this.#block = undefined;
  }

  #writeRun({ socket, from, to }: Run): void {
    if (socket.destroyed || this.#block === undefined) return;
    this.#cork(socket);
    socket.write(this.#block.subarray(from, to));
  }

  #cork(socket: PodSocket): void {
    if (socket.writableCorked > 0) return;
    socket.cork();
    this.#corked.push(socket);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#turnEnded);
  }
}
