/**
 * Where a connection's frames leave: a pod's socket, or a stream of a tunnel. The end of a write is told in the turn's
 * setImmediate phase, as TLS does: what comes meanwhile is gathered.
 *
 *   open --end--> ended: nothing is sent any more --reset--> gone
 *     \______________ reset, or the transport was lost ______-^
 */
import type { FrameBuffer } from "./frame-buffer.ts";
import { WIRE_CODE } from "./http2-error.ts";
import type { ByteTransport } from "./request-stream.ts";
import type { FrameTarget } from "./turn-writer.ts";

export class TransportTarget implements FrameTarget {
  readonly takesSlices = true;
  transport: ByteTransport | undefined;
  isGone = false;
  #isEnded = false;
  #waiting: (() => void) | undefined;
  #drains = 0;
  /** What a sweep saw, and since when; at first there was none. */
  #sweptDrains = -1;
  #sweptMs = 0;

  send(out: FrameBuffer, sent: () => void): void {
    if (this.isGone || this.#isEnded || this.transport === undefined) return;
    if (this.#write(this.transport, out.take())) setImmediate(sent);
    else this.#waiting = sent;
  }

  // Called by the connection.

  /** At each sweep: it takes no byte, for so long. */
  isStalled(nowMs: number, limitMs: number): boolean {
    if (this.#waiting !== undefined && this.#drains === this.#sweptDrains) return nowMs - this.#sweptMs >= limitMs;
    this.#sweptDrains = this.#drains;
    this.#sweptMs = nowMs;
    return false;
  }

  drained(): void {
    this.#drains += 1;
    const sent = this.#waiting;
    this.#waiting = undefined;
    sent?.();
  }

  end(): void {
    if (this.isGone || this.#isEnded) return;
    this.#isEnded = true;
    this.transport?.end();
  }

  reset(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.transport?.reset(WIRE_CODE.cancel);
  }

  #write(transport: ByteTransport, chunks: readonly Buffer[]): boolean {
    let mayGoOn = true;
    if (chunks.length > 1) transport.cork?.();
    for (const chunk of chunks) mayGoOn = transport.write(chunk);
    if (chunks.length > 1) transport.uncork?.();
    return mayGoOn;
  }
}
