/**
 * The agent's end of the channel to a controller: one WebSocket over TLS, to any of several replicas.
 *
 *   new --start--> dialing --> greeting --hello sent--> open
 *                   ^  |          |                      |
 *                   |  +----------+------- lost ---------+--> waiting (jittered backoff)
 *                   +--------------------------------------------+       closed: from anywhere, for good
 *
 * Table messages are handed on one at a time, in order; each is acknowledged when `onTable` is done with it, or refused
 * when it throws, after which the controller sends a snapshot. Losing the channel costs nothing but news.
 */
import { WebSocket, type RawData } from "ws";
import { backoffMs } from "../../core/backoff.ts";
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError, HawserError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import {
  CHANNEL_PATH,
  CHANNEL_SUBPROTOCOL,
  type AgentMessage,
  type ControllerMessage,
  type DeltaMessage,
  type HelloMessage,
  PACKED_ENCODING,
  type QuotaLeaseMessage,
  type RootsMessage,
  type SnapshotMessage,
} from "../../protocol/channel.ts";
import { decodeFrame } from "./decode-frame.ts";
import { controlLimits as limits } from "./limits.ts";
import { SignRequests, type SignAnswer } from "./sign-requests.ts";

export interface ChannelCredentials {
  /** Bearer token that proves which node this is. Secret. */
  readonly token: string;
  /** PEM of the roots that the controller's certificate must lead to. */
  readonly roots: string;
}

/** For metrics. */
export type ChannelEvent =
  | "dial-failed"
  | "message-unknown"
  | "message-invalid"
  | "table-refused"
  | "limit-send-buffer"
  | "limit-waiting-table-messages";

export interface ChannelClientOptions {
  /** `wss://host:port` of every replica. */
  readonly urls: readonly string[];
  /** Read before every dial, so that files that appear late or are replaced are honoured. May throw: tried again later. */
  readonly credentials: () => ChannelCredentials;
  /** Name to expect in the controller's certificate instead of the url's host. */
  readonly servername?: string;
  /** First message on every channel, with the table in force at that moment. */
  readonly hello: () => HelloMessage;
  /** Puts a table or a change in force. Throws or rejects when it does not fit. Must not wait for this channel. */
  readonly onTable: (message: SnapshotMessage | DeltaMessage) => void | Promise<void>;
  /** What to trust has changed, or a channel has just been opened. Must not throw. */
  readonly onRoots?: (message: RootsMessage) => void;
  /** Must not throw. */
  readonly onQuotaLease?: (message: QuotaLeaseMessage) => void;
  /** Instead of `decodeFrame`: for programs that hold many agents and share what they decode. */
  readonly decode?: typeof decodeFrame;
  readonly onOpen?: () => void;
  readonly onClose?: () => void;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly count?: (event: ChannelEvent) => void;
}

/** Pings without a sign of life in between after which the channel is dead. */
const MAX_SILENT_PINGS = Math.ceil(limits.silenceMs / limits.pingMs);

export class ChannelClient {
  readonly #options: ChannelClientOptions;
  readonly #signRequests: SignRequests;
  #state: "new" | "dialing" | "greeting" | "open" | "waiting" | "closed" = "new";
  #socket: WebSocket | undefined;
  #urlIndex = 0;
  #attempt = 0;
  #lastDialError = "";
  #redialTimer: Timer | undefined;
  #provenTimer: Timer | undefined;
  #pingTimer: Timer | undefined;
  #silentPings = 0;
  /** Table messages are applied one after the other along this chain. */
  #applying: Promise<void> = Promise.resolve();
  #waitingTableMessages = 0;
  /** A change did not fit: changes are skipped until a snapshot comes. */
  #needsSnapshot = false;

  constructor(options: ChannelClientOptions) {
    this.#options = options;
    this.#signRequests = new SignRequests(options.clock);
  }

  start(): void {
    if (this.#state !== "new") return;
    // Agents that start together spread over the replicas.
    this.#urlIndex = Math.floor(this.#options.random() * this.#options.urls.length);
    this.#dial();
  }

  /** The channel is open and hello is sent: other messages may follow. */
  get connected(): boolean {
    return this.#state === "open";
  }

  /** False: not sent, because there is no channel or the controller does not read. */
  send(message: AgentMessage): boolean {
    const socket = this.#socket;
    if (this.#state !== "open" || socket === undefined) return false;
    if (socket.bufferedAmount > limits.sendBufferBytes) {
      this.#options.count?.("limit-send-buffer");
      return false;
    }
    socket.send(JSON.stringify(message));
    return true;
  }

  /** Has a PKCS#10 request signed. Rejects with SignError. */
  sign(csrPem: string): Promise<SignAnswer> {
    return this.#signRequests.request(csrPem, (message) => this.send(message));
  }

  /** Drops the connection, if any, and dials anew: after a table that turned out wrong later, or new credentials. */
  redial(): void {
    this.#socket?.terminate();
  }

  /** Says good-bye at the WebSocket level and ends; what was sent before still goes out. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#redialTimer?.cancel();
    const socket = this.#socket;
    if (socket !== undefined && socket.readyState !== WebSocket.CLOSED) await this.#closeSocket(socket);
    this.#lost();
    await this.#applying;
  }

  #closeSocket(socket: WebSocket): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(limits.closeMs, () => socket.terminate());
      socket.once("close", () => {
        timer.cancel();
        resolve();
      });
      socket.close(1000);
    });
  }

  #dial(): void {
    if (this.#state === "closed") return;
    this.#state = "dialing";
    let socket: WebSocket;
    try {
      socket = this.#openSocket();
    } catch (error) {
      this.#dialFailed(error);
      return;
    }
    this.#socket = socket;
    let failure: unknown;
    socket.on("open", () => this.#opened(socket));
    socket.on("message", (data, isBinary) => this.#received(socket, data, isBinary));
    socket.on("ping", () => this.#heard());
    socket.on("pong", () => this.#heard());
    // `close` always follows.
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", (code, reason) => this.#closed(socket, failure ?? `closed with ${code} ${reason.toString()}`));
  }

  #openSocket(): WebSocket {
    const { urls, servername, credentials } = this.#options;
    const { token, roots } = credentials();
    const url = new URL(CHANNEL_PATH, urls[this.#urlIndex % urls.length]);
    // The token must not travel in clear, whatever someone wrote into a setting.
    if (url.protocol !== "wss:")
      throw new HawserError("not-secure", `Controller URL ${url.origin} must begin with wss:`);
    return new WebSocket(url, CHANNEL_SUBPROTOCOL, {
      ca: roots,
      minVersion: "TLSv1.3",
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: limits.dialMs,
      maxPayload: limits.messageBytes,
      perMessageDeflate: false,
      ...(servername === undefined ? {} : { servername }),
    });
  }

  #opened(socket: WebSocket): void {
    if (this.#state === "closed") return;
    this.#state = "greeting";
    this.#lastDialError = "";
    this.#silentPings = 0;
    this.#needsSnapshot = false;
    const { clock, log } = this.#options;
    this.#provenTimer = clock.after(limits.provenMs, () => {
      this.#attempt = 0;
    });
    this.#pingTimer = clock.every(limits.pingMs, () => this.#ping(socket));
    log.info({ controller: socket.url }, "Channel to the controller is open");
    // What the last channel brought may still be on its way into force; only then is `have` true.
    void this.#applying.then(() => {
      if (this.#socket !== socket || this.#state !== "greeting") return;
      this.#state = "open";
      this.send({ ...this.#options.hello(), encodings: [PACKED_ENCODING] });
      this.#options.onOpen?.();
    });
  }

  #ping(socket: WebSocket): void {
    this.#silentPings += 1;
    if (this.#silentPings > MAX_SILENT_PINGS) socket.terminate();
    else socket.ping();
  }

  #heard(): void {
    this.#silentPings = 0;
  }

  #received(socket: WebSocket, data: RawData, isBinary: boolean): void {
    this.#heard();
    // `binaryType` is the default, nodebuffer: one Buffer per message.
    let message: ControllerMessage | undefined;
    try {
      message = (this.#options.decode ?? decodeFrame)(data as Buffer, isBinary);
    } catch (error) {
      this.#options.count?.("message-invalid");
      this.#refuse(this.#options.hello().have ?? { epoch: "", sequence: 0 }, error);
      return;
    }
    if (message === undefined) this.#options.count?.("message-unknown");
    else this.#handle(socket, message);
  }

  #handle(socket: WebSocket, message: ControllerMessage): void {
    switch (message.kind) {
      case "snapshot":
      case "delta":
        this.#enqueue(socket, message);
        return;
      case "certificate":
      case "sign-refused":
        this.#signRequests.answer(message);
        return;
      case "roots":
        this.#options.onRoots?.(message);
        return;
      case "quota-lease":
        this.#options.onQuotaLease?.(message);
        return;
      case "ping":
        return;
    }
  }

  #enqueue(socket: WebSocket, message: SnapshotMessage | DeltaMessage): void {
    if (this.#waitingTableMessages >= limits.waitingTableMessages) {
      this.#options.count?.("limit-waiting-table-messages");
      socket.terminate();
      return;
    }
    this.#waitingTableMessages += 1;
    this.#applying = this.#applying.then(async () => {
      this.#waitingTableMessages -= 1;
      // Whatever an earlier channel still had in store, the new one will send again if it is missing.
      if (this.#socket === socket) await this.#apply(socket, message);
    });
  }

  async #apply(socket: WebSocket, message: SnapshotMessage | DeltaMessage): Promise<void> {
    if (message.kind === "snapshot") this.#needsSnapshot = false;
    if (this.#needsSnapshot) return;
    const { epoch, sequence } = message.kind === "snapshot" ? message.table : message.delta;
    try {
      await this.#options.onTable(message);
      // On a channel that was opened meanwhile, hello says it.
      if (this.#socket === socket) this.send({ kind: "applied", epoch, sequence });
    } catch (error) {
      this.#refuse({ epoch, sequence }, error);
    }
  }

  #refuse(position: { readonly epoch: string; readonly sequence: number }, error: unknown): void {
    const { epoch, sequence } = position;
    const problem = describeError(error);
    this.#needsSnapshot = true;
    this.#options.count?.("table-refused");
    this.#options.log.error(
      { epoch, sequence, error: problem },
      "Message of the controller was refused, nothing changed",
    );
    this.send({ kind: "refused", epoch, sequence, problems: [problem.slice(0, 1_000)] });
  }

  #closed(socket: WebSocket, reason: unknown): void {
    if (this.#socket !== socket) return;
    const wasOpen = this.#state === "open" || this.#state === "greeting";
    this.#lost();
    if (this.#state === "closed") return;
    if (!wasOpen) {
      this.#dialFailed(reason);
      return;
    }
    this.#options.log.warn({ reason: describeError(reason) }, "Channel to the controller was lost, traffic goes on");
    this.#redialLater();
  }

  #lost(): void {
    const wasOpen = this.#pingTimer !== undefined;
    this.#socket = undefined;
    this.#provenTimer?.cancel();
    this.#pingTimer?.cancel();
    this.#pingTimer = undefined;
    this.#signRequests.rejectAll();
    if (wasOpen) this.#options.onClose?.();
  }

  /** A line when the reason is new; an outage of hours is not thousands of lines. */
  #dialFailed(error: unknown): void {
    const { log, count, urls } = this.#options;
    const reason = describeError(error);
    const facts = { controllers: urls, error: reason };
    const message = "Cannot open a channel to the controller; check its address, this node's token and the CA file";
    if (reason === this.#lastDialError) log.debug(facts, message);
    else log.warn(facts, message);
    this.#lastDialError = reason;
    count?.("dial-failed");
    this.#redialLater();
  }

  #redialLater(): void {
    this.#state = "waiting";
    this.#urlIndex += 1;
    const settings = { baseMs: limits.redialBaseMs, maxMs: limits.redialMaxMs };
    const waitMs = backoffMs(settings, this.#attempt, this.#options.random);
    this.#attempt += 1;
    this.#redialTimer = this.#options.clock.after(waitMs, () => this.#dial());
  }
}
