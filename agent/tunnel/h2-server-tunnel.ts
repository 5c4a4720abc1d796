/**
 * The accepting end of a tunnel, over node:http2: one session of a verified peer towards one local pod.
 */
import { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../core/clock.ts";
import { timers } from "../limits.ts";
import type { ConnectRequest, IncomingStream, ServerTunnel, StreamHandler, TunnelStream } from "./engine.ts";
import { H2Stream } from "./h2-stream.ts";
import { LoadMeter } from "./load-meter.ts";

export interface ServerTunnelOptions {
  readonly session: ServerHttp2Session;
  /** The accepted socket beneath TLS: closed by force when the peer no longer answers. */
  readonly socket: Socket;
  readonly peerIdentity: string;
  readonly peerAddress: string;
  readonly podAddress: string;
  readonly podIdentity: string;
  readonly clock: Clock;
  readonly onStream: (stream: IncomingStream) => void;
  readonly onClosed: () => void;
}

export class H2ServerTunnel implements ServerTunnel {
  readonly peerIdentity: string;
  readonly peerAddress: string;
  readonly podAddress: string;
  readonly podIdentity: string;
  readonly #session: ServerHttp2Session;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #load = new LoadMeter();
  #openStreams = 0;
  #draining = false;
  #closeTimer: Timer | undefined;
  #pongDueMs = Number.POSITIVE_INFINITY;
  readonly #pingTimer: Timer;

  constructor(options: ServerTunnelOptions) {
    this.peerIdentity = options.peerIdentity;
    this.peerAddress = options.peerAddress;
    this.podAddress = options.podAddress;
    this.podIdentity = options.podIdentity;
    this.#session = options.session;
    this.#socket = options.socket;
    this.#clock = options.clock;
    this.#pingTimer = options.clock.every(timers.pingMs, () => this.#ping());
    options.session.on("error", ignore);
    options.session.on("stream", (stream, headers) => this.#incoming(stream, headers, options.onStream));
    options.session.once("close", () => {
      this.#pingTimer.cancel();
      this.#closeTimer?.cancel();
      options.onClosed();
    });
  }

  get openStreams(): number {
    return this.#openStreams;
  }

  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#session.close();
    if (this.#openStreams === 0) this.#expectClose();
  }

  destroy(reason: string): void {
    // The code reaches the streams of both ends: with NO_ERROR theirs would look as if they had ended in order.
    this.#session.destroy(new Error(reason), constants.NGHTTP2_CANCEL);
    this.#expectClose();
  }

  #incoming(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, onStream: (s: IncomingStream) => void): void {
    this.#openStreams += 1;
    stream.once("close", () => {
      this.#openStreams -= 1;
      if (this.#draining && this.#openStreams === 0) this.#expectClose();
    });
    onStream(new H2IncomingStream(stream, headers, this.#load));
  }

  /** The session closes when what it has left to say was sent and the peer closes too: a dead one must not hold it. */
  #expectClose(): void {
    this.#closeTimer ??= this.#clock.after(timers.pingTimeoutMs, () => this.#socket.destroy());
  }

  #ping(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#pongDueMs) {
      this.#socket.destroy();
      return;
    }
    if (this.#pongDueMs !== Number.POSITIVE_INFINITY || this.#session.destroyed) return;
    this.#pongDueMs = nowMs + timers.pingTimeoutMs;
    this.#session.ping((error) => {
      if (error === null) this.#pongDueMs = Number.POSITIVE_INFINITY;
    });
  }
}

class H2IncomingStream implements IncomingStream {
  readonly method: string;
  readonly request: ConnectRequest;
  readonly #stream: ServerHttp2Stream;
  readonly #load: LoadMeter;
  #answered = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, load: LoadMeter) {
    this.#stream = stream;
    this.#load = load;
    this.method = headers[":method"] ?? "";
    this.request = { authority: headers[":authority"] ?? "", headers: singleHeaders(headers) };
    stream.on("error", ignore);
  }

  accept(headers: Readonly<Record<string, string>>, handler: StreamHandler): TunnelStream {
    this.#answered = true;
    this.#stream.respond({ ":status": 200, ...headers });
    const stream = new H2Stream(this.#stream, handler, this.#load);
    stream.startReading();
    return stream;
  }

  refuse(status: number, headers: Readonly<Record<string, string>>): void {
    this.#answered = true;
    if (this.#stream.destroyed || this.#stream.closed) return;
    this.#stream.respond({ ":status": status, ...headers }, { endStream: true });
    this.#stream.resume();
    // The client's direction is still open: RFC 9113 section 8.1 lets a server reset it with NO_ERROR. In the turn that the
    // request came in, the reset would take the place of the answer.
    setImmediate(() => {
      if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }

  reset(code: number): void {
    this.#answered = true;
    if (!this.#stream.closed) this.#stream.close(code);
  }

  onAbort(callback: () => void): void {
    // node:http2 emits it for our own resets too, and for those that come after the answer.
    this.#stream.once("aborted", () => {
      if (!this.#answered) callback();
    });
  }
}

/** Headers that came once. One that is repeated is ambiguous, and dropped. */
function singleHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const single: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === "string" && !name.startsWith(":")) single[name] = value;
  }
  return single;
}

function ignore(): void {}
