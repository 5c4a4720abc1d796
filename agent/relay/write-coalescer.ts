/**
 * Gathers what one loop turn writes to a pod's socket into one system call: what arrived together leaves together.
 * Flushes in setImmediate, that is right after the turn's reads, so a lone message waits for nothing.
 *
 * What is written is copied into one block, which is used again as soon as the kernel has taken everything.
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

  /** The buffer is the caller's again. Whether the socket keeps up is seen in its `writableLength`. */
  writeLent(socket: PodSocket, chunk: Buffer): void {
    const block = this.#roomFor(socket, chunk.length);
    if (block === undefined) this.#write(socket, Buffer.from(chunk));
    else {
      block.set(chunk, this.#filledBytes);
      this.#filled(socket, chunk.length);
    }
  }

  /** The same of text of Latin-1 characters, a byte each. */
  writeText(socket: PodSocket, text: string): void {
    const block = this.#roomFor(socket, text.length);
    if (block === undefined) this.#write(socket, Buffer.from(text, "latin1"));
    else {
      block.write(text, this.#filledBytes, "latin1");
      this.#filled(socket, text.length);
    }
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

  /** Undefined: it has to wait, and must neither keep a whole block nor go unseen until the turn's end. Then none is in the block. */
  #roomFor(socket: PodSocket, bytes: number): Buffer | undefined {
    if (bytes > BLOCK_BYTES - this.#filledBytes) this.flush();
    if (socket.writableLength > 0 || bytes > BLOCK_BYTES) return undefined;
    this.#block ??= Buffer.allocUnsafeSlow(BLOCK_BYTES);
    return this.#block;
  }

  #filled(socket: PodSocket, bytes: number): void {
    const from = this.#filledBytes;
    this.#filledBytes = from + bytes;
    const last = this.#runs.at(-1);
    if (last?.socket === socket) last.to = this.#filledBytes;
    else this.#runs.push({ socket, from, to: this.#filledBytes });
    this.#schedule();
  }

  #write(socket: PodSocket, chunk: Buffer): void {
    this.#cork(socket);
    this.#schedule();
    socket.write(chunk);
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
