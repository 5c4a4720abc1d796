/** A tunnel's stream that a test plays the far end of: remembers what it was told, and says what the test wants. */
import { limits } from "../../agent/limits.ts";
import type {
  ClientTunnel,
  ConnectRequest,
  StreamHandler,
  TunnelState,
  TunnelStream,
} from "../../agent/tunnel/engine.ts";

export class FakeStream implements TunnelStream {
  readonly handler: StreamHandler;
  /** `end`, `reset 8`, `pause`, `resume`, in order. */
  readonly calls: string[] = [];
  readonly written: Buffer[] = [];
  /** Bytes that `write` may queue before it returns false; nothing is ever sent unless the test calls `flush`. */
  highWaterMark = Number.POSITIVE_INFINITY;
  queuedBytes = 0;
  unreadBytes = 0;

  constructor(handler: StreamHandler) {
    this.handler = handler;
  }

  write(chunk: Buffer): boolean {
    if (this.isReset) throw new Error("Written to a stream that was reset");
    this.written.push(Buffer.from(chunk));
    if (this.highWaterMark !== Number.POSITIVE_INFINITY) this.queuedBytes += chunk.length;
    return this.queuedBytes < this.highWaterMark;
  }

  writeLent(chunk: Buffer): boolean {
    return this.write(chunk) || this.queuedBytes <= limits.streamBufferBytes;
  }

  end(): void {
    this.calls.push("end");
  }

  reset(code: number): void {
    this.calls.push(`reset ${code}`);
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  /** What was queued has been sent. */
  flush(): void {
    this.queuedBytes = 0;
    this.handler.onDrain();
  }

  get text(): string {
    return Buffer.concat(this.written).toString();
  }

  get writtenBytes(): number {
    return this.written.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  get isReset(): boolean {
    return this.calls.some((call) => call.startsWith("reset"));
  }
}

/** A tunnel whose streams a test plays the far end of. */
export class FakeTunnel implements ClientTunnel {
  state: TunnelState = "open";
  openStreams = 0;
  load = 0;
  maxStreams = 100;
  readonly streams: FakeStream[] = [];
  readonly requests: ConnectRequest[] = [];

  openStream(request: ConnectRequest, handler: StreamHandler): FakeStream {
    const stream = new FakeStream(handler);
    this.requests.push(request);
    this.streams.push(stream);
    this.openStreams += 1;
    return stream;
  }

  drain(): void {
    this.state = "draining";
  }

  destroy(): void {
    this.state = "closed";
  }
}
