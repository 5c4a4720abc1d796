/** What relays and plain streams need of a pod's TCP connection: a `net.Socket` has it, and so has the lighter `RawSocket`. */
import type { EventEmitter } from "node:events";

/** Emits `connect`, `data`, `end` (the pod's FIN), `drain`, `error`, and at last `close`. */
export interface PodSocket extends Pick<EventEmitter, "on" | "once" | "off"> {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  /** Taken and not yet given to the kernel. */
  readonly writableLength: number;
  readonly writableCorked: number;
  readonly readableLength: number;
  /** The pod's end was told. */
  readonly readableEnded: boolean;
  readonly destroyed: boolean;
  /** Takes the buffer. False: `drain` follows when the kernel has taken everything. */
  write(chunk: Buffer): boolean;
  /** What is written from here on is kept together until `uncork`. */
  cork(): void;
  uncork(): void;
  /** FIN after everything written; the other direction goes on. */
  end(): unknown;
  pause(): unknown;
  resume(): unknown;
  isPaused(): boolean;
  setKeepAlive(enable: boolean, idleMs: number): unknown;
  /** At once; what is unsent is dropped. */
  destroy(error?: Error): unknown;
  /** After everything written. */
  destroySoon(): void;
}
