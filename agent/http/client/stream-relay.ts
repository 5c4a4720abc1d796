/**
 * After a 101 to a client of HTTP/2: its stream and the connection to the endpoint are bytes, both ways, until both directions
 * have ended. What agent/relay/relay.ts is to a socket.
 *
 *   client's stream                   endpoint
 *   DATA         ---- write ----->    data            paused while the endpoint's buffer is full
 *   END_STREAM   ---- end ------->    FIN             half-close: the other direction goes on
 *   RST_STREAM   ---- reset ----->    RST             never turned into a clean end
 *   DATA         <--- onData -----    data            paused while the stream's queue is full
 *   END_STREAM   <--- onEnd ------    FIN
 *   RST_STREAM   <--- onReset ----    RST             with CANCEL (RFC 8441 section 5)
 */
import { WIRE_CODE } from "../../http2/http2-error.ts";
import type { RequestStream, RequestStreamHandler } from "../../http2/request-stream.ts";
import { limits, timers } from "../../limits.ts";
import type { ByteCounters, CloseReason } from "../../relay/relay.ts";
import { ErrorCode, type StreamHandler, type TunnelStream } from "../../tunnel/engine.ts";
import type { UpgradedConnection } from "../request-carrier.ts";
import type { OpenStream } from "./open-stream.ts";
import { Stillness } from "./stillness.ts";

export interface StreamRelayOptions {
  /** Paused, so that nothing of it was read. */
  readonly client: RequestStream;
  /** The client has ended its direction already. */
  readonly clientEnded: boolean;
  readonly upstream: UpgradedConnection;
  readonly onOver: (relay: StreamRelay) => void;
}

const EMPTY = Buffer.alloc(0);

export class StreamRelay implements OpenStream, RequestStreamHandler {
  readonly #options: StreamRelayOptions;
  readonly #client: RequestStream;
  #endpoint: TunnelStream | undefined;
  #counters: ByteCounters = { sentBytes: 0, receivedBytes: 0 };
  #clientEnded = false;
  #endpointEnded = false;
  #isOver = false;
  #movedBytes = 0;
  readonly #stillness = new Stillness<"open" | "half-closed">();
  readonly #endpointHandler: StreamHandler = {
    onResponse: () => {},
    onData: (chunk) => this.#endpointData(chunk),
    onEnd: () => this.#endpointEnd(),
    onDrain: () => this.#client.resume(),
    onReset: () => this.#endpointLost(),
  };

  constructor(options: StreamRelayOptions) {
    this.#options = options;
    this.#client = options.client;
  }

  start(): void {
    const { stream, counters } = this.#options.upstream.handOver(this.#endpointHandler);
    this.#endpoint = stream;
    this.#counters = counters;
    if (stream === undefined) {
      this.#endpointLost();
      return;
    }
    this.#client.setHandler(this);
    if (this.#options.clientEnded) this.onEnd();
    else this.#client.resume();
  }

  // OpenStream.

  get heldBytes(): number {
    const endpoint = this.#endpoint;
    return endpoint === undefined ? 0 : endpoint.queuedBytes + endpoint.unreadBytes;
  }

  sweep(nowMs: number): void {
    const state = this.#clientEnded || this.#endpointEnded ? "half-closed" : "open";
    const stillMs = this.#stillness.lastedMs(state, this.#movedBytes, nowMs);
    if (state === "half-closed" && stillMs > timers.halfClosedMs) this.#giveUp("half-closed-timeout");
    else if (stillMs > timers.idleConnectionMs) this.#giveUp("idle-timeout");
  }

  connectionLost(reason: CloseReason): void {
    this.#endpoint?.reset(ErrorCode.cancel);
    this.#over(reason);
  }

  // RequestStreamHandler: the client.

  onHeaders(): void {}

  onData(chunk: Buffer): void {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) return;
    this.#movedBytes += chunk.length;
    this.#counters.sentBytes += chunk.length;
    if (!endpoint.write(chunk) && endpoint.queuedBytes > limits.streamBufferBytes) this.#client.pause();
  }

  onEnd(): void {
    this.#clientEnded = true;
    this.#endpoint?.end();
    if (this.#endpointEnded) this.#over("closed");
  }

  onDrain(): void {
    this.#endpoint?.resume();
  }

  onReset(): void {
    this.connectionLost("reset-by-pod");
  }

  // The endpoint.

  #endpointData(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#movedBytes += chunk.length;
    this.#counters.receivedBytes += chunk.length;
    if (!this.#client.sendData(chunk, false)) this.#endpoint?.pause();
  }

  #endpointEnd(): void {
    this.#endpointEnded = true;
    this.#client.sendData(EMPTY, true);
    if (this.#clientEnded) this.#over("closed");
  }

  #endpointLost(): void {
    if (this.#isOver) return;
    // What came before the endpoint's end still belongs to the client.
    if (this.#endpointEnded) this.#client.stopReading();
    else this.#client.reset(WIRE_CODE.cancel);
    this.#over("reset-by-peer");
  }

  #giveUp(reason: CloseReason): void {
    this.#client.reset(WIRE_CODE.cancel);
    this.connectionLost(reason);
  }

  #over(reason: CloseReason): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#endpoint = undefined;
    this.#options.onOver(this);
    this.#options.upstream.relayEnded(reason);
  }
}
