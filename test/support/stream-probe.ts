/** A StreamHandler that remembers what it was told, for tests of engines and of what stands on them. */
import { createHash } from "node:crypto";
import type { StreamHandler, TunnelStream } from "../../agent/tunnel/engine.ts";
import { eventually } from "./eventually.ts";

export class StreamProbe implements StreamHandler {
  /** Every callback but `onData` and `onDrain`, in order: `response 200`, `end`, `reset 8`. */
  readonly events: string[] = [];
  reason: string | undefined;
  receivedBytes = 0;
  drains = 0;
  readonly #hash = createHash("sha256");
  readonly #chunks: Buffer[] = [];
  readonly #keep: boolean;
  /** Called for every chunk, after it was counted. */
  onChunk: ((chunk: Buffer) => void) | undefined;

  constructor(options: { readonly keep: boolean } = { keep: true }) {
    this.#keep = options.keep;
  }

  onResponse(status: number, reason: string | undefined): void {
    this.events.push(`response ${status}`);
    this.reason = reason;
  }

  onData(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    this.#hash.update(chunk);
    if (this.#keep) this.#chunks.push(chunk);
    this.onChunk?.(chunk);
  }

  onEnd(): void {
    this.events.push("end");
  }

  onDrain(): void {
    this.drains += 1;
  }

  onReset(code: number): void {
    this.events.push(`reset ${code}`);
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  get sha256(): string {
    return this.#hash.copy().digest("hex");
  }

  async saw(event: string): Promise<void> {
    await eventually(`${event} after ${this.events.join(", ") || "nothing"}`, () => this.events.includes(event));
  }

  async receives(bytes: number): Promise<void> {
    await eventually(`${bytes} bytes, has ${this.receivedBytes}`, () => this.receivedBytes >= bytes);
  }
}

/** Answers every byte with itself, with backpressure, and ends when the peer does. */
export class EchoHandler implements StreamHandler {
  stream: TunnelStream | undefined;

  onResponse(): void {}

  onData(chunk: Buffer): void {
    if (this.stream?.write(chunk) === false) this.stream.pause();
  }

  onEnd(): void {
    this.stream?.end();
  }

  onDrain(): void {
    this.stream?.resume();
  }

  onReset(): void {}
}
