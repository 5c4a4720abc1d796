/**
 * One agent's channel, from the upgrade to the close.
 *
 *   greeting --hello--> serving --> closed
 *      |                   |
 *      +-- wrong node, timeout, invalid message, too many, removed node --> closed
 *
 * Table messages are pulled from the history whenever the socket has room (`deliver`), so a slow agent costs one position
 * here and one socket buffer, and is given the newest state once it reads again. Nothing else is queued but answers to
 * certificate requests behind a large frame, at most `limits.signingPerSession`.
 */
import { WebSocket, type RawData } from "ws";
import type { Clock, Timer } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import {
  type AgentMessage,
  type ControllerMessage,
  type HelloMessage,
  PACKED_ENCODING,
  type QuotaLeaseMessage,
  type QuotaReportMessage,
  type RootsMessage,
  type SignMessage,
} from "../protocol/channel.ts";
import type { SignedAnswer } from "./certificate-signer.ts";
import { FrameSender } from "./frame-sender.ts";
import { limits, timers } from "./limits.ts";
import { MessageRate } from "./message-rate.ts";
import type { ControllerMetrics, RefusedConnectionReason } from "./metrics.ts";
import { parseAgentMessage } from "./parse-agent-message.ts";
import type { TablePosition } from "./table-history.ts";
import type { TableMessage } from "./table-message.ts";

/** What a session may ask of the controller: narrower than what the controller can do. */
export interface SessionHost {
  /** Of the table in force; undefined before there is one. */
  readonly epoch: string | undefined;
  nextMessage(have: TablePosition | undefined): TableMessage | undefined;
  snapshotMessage(): TableMessage | undefined;
  roots(): RootsMessage;
  sign(node: string, csrPem: string): Promise<SignedAnswer>;
  greeted(session: AgentSession): void;
  /** The agent had the table's change number `before` in force, now it has that of `session.applied`. */
  applied(session: AgentSession, before: number): void;
  reported(session: AgentSession): void;
  quotaReported(session: AgentSession, message: QuotaReportMessage): void;
  removed(session: AgentSession): void;
  closed(session: AgentSession): void;
}

export interface AgentSessionOptions {
  readonly socket: WebSocket;
  /** What the token proved. */
  readonly node: string;
  readonly host: SessionHost;
  readonly metrics: ControllerMetrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** WebSocket close codes of this protocol (4000-4999 are the application's, RFC 6455 7.4.2). */
export const CloseCode = {
  serviceRestart: 1012,
  invalidMessage: 4400,
  nodeRemoved: 4401,
  tokenExpired: 4402,
  wrongNode: 4403,
  noHello: 4408,
  replaced: 4409,
  tooMany: 4429,
} as const;

const MAX_SILENT_PINGS = Math.ceil(timers.silenceMs / timers.pingMs);

export class AgentSession {
  readonly node: string;
  readonly connectedAtMs: number;
  readonly #options: AgentSessionOptions;
  readonly #rate: MessageRate;
  readonly #helloTimer: Timer;
  readonly #sender: FrameSender;
  #hello: HelloMessage | undefined;
  /** What was sent last. */
  #position: TablePosition | undefined;
  #applied: TablePosition | undefined;
  /** It comes from another replica: what that one knew is given a moment to arrive here as well. */
  #handover: Timer | undefined;
  /** It could not take what was sent: only snapshots until it takes one. */
  #refusing = false;
  #ready = false;
  #counters: Readonly<Record<string, number>> = {};
  /** No report has come since it was told what to trust. */
  #rootsUnanswered = false;
  #leaving = false;
  #signing = 0;
  #silentPings = 0;
  #state: "greeting" | "serving" | "closed" = "greeting";

  constructor(options: AgentSessionOptions) {
    this.#options = options;
    this.node = options.node;
    this.#sender = new FrameSender(options.socket);
    this.connectedAtMs = options.clock.monotonicMs();
    this.#rate = new MessageRate(options.clock, limits.messageBurst, limits.messagesPerSecond);
    this.#helloTimer = options.clock.after(timers.helloMs, () => this.#refuse("no-hello", CloseCode.noHello));
  }

  start(): void {
    const { socket } = this.#options;
    socket.on("message", (data, isBinary) => this.#received(data, isBinary));
    socket.on("pong", () => this.#heard());
    socket.on("ping", () => this.#pinged());
    // `close` always follows.
    socket.on("error", (error) => this.#socketFailed(error));
    socket.on("close", () => this.#closed());
  }

  /** It may have certificates of another issuer than the one that signs now: it says so, or has not said anything yet. */
  get hasFormerIssuer(): boolean {
    return this.#rootsUnanswered || (this.#counters["formerIssuerCertificates"] ?? 0) > 0;
  }

  /** Empty before hello. */
  get instance(): string {
    return this.#hello?.instance ?? "";
  }

  get version(): string {
    return this.#hello?.version ?? "";
  }

  get applied(): TablePosition | undefined {
    return this.#applied;
  }

  get ready(): boolean {
    return this.#ready;
  }

  get counters(): Readonly<Record<string, number>> {
    return this.#counters;
  }

  /** It said goodbye: its connection may linger, the agent does not. */
  get leaving(): boolean {
    return this.#leaving;
  }

  /** It has said hello, whatever became of it since. */
  get greeted(): boolean {
    return this.#hello !== undefined;
  }

  get #readsPacked(): boolean {
    return this.#hello?.encodings?.includes(PACKED_ENCODING) ?? false;
  }

  get serving(): boolean {
    return this.#state === "serving";
  }

  /** Sends what the agent lacks, as far as the socket has room; goes on by itself when it has again. */
  deliver(): void {
    if (this.#handover !== undefined) return;
    const { socket, host, metrics } = this.#options;
    while (this.#state === "serving" && socket.readyState === WebSocket.OPEN && !this.#sender.busy) {
      const next = this.#next(host);
      if (next === undefined) return;
      if (socket.bufferedAmount > limits.sessionBufferedBytes) {
        metrics.limitHit("sessionBufferedBytes");
        return;
      }
      this.#position = { epoch: next.epoch, sequence: next.sequence };
      metrics.messagesSent.inc({ kind: next.kind });
      this.#sender.send(next.frame(this.#readsPacked), () => this.deliver());
    }
  }

  /** What to trust from now on; an agent that has not said hello yet is told then. */
  tellRoots(message: RootsMessage): void {
    if (!this.serving) return;
    this.#rootsUnanswered = true;
    this.#send(message);
  }

  /** Late it is worth nothing: one that does not read gets none. */
  tellLease(message: QuotaLeaseMessage): void {
    const { metrics, socket } = this.#options;
    if (!this.serving) return;
    if (this.#sender.busy || socket.bufferedAmount > limits.sessionBufferedBytes)
      metrics.limitHit("sessionBufferedBytes");
    else this.#send(message);
  }

  /** Called every `pingMs`. */
  ping(): void {
    this.#silentPings += 1;
    if (this.#silentPings > MAX_SILENT_PINGS) this.#options.socket.terminate();
    else if (this.#options.socket.readyState === WebSocket.OPEN) this.#options.socket.ping();
  }

  /** `reason` goes to the agent: one of our own words, never what a peer sent. */
  close(code: number, reason: string): void {
    this.#state = "closed";
    this.#helloTimer.cancel();
    this.#options.socket.close(code, reason);
  }

  terminate(): void {
    this.#options.socket.terminate();
  }

  #next(host: SessionHost): TableMessage | undefined {
    const next = host.nextMessage(this.#position);
    return next !== undefined && this.#refusing ? host.snapshotMessage() : next;
  }

  #heard(): void {
    this.#silentPings = 0;
  }

  #pinged(): void {
    this.#heard();
    this.#isWithinRate();
  }

  #isWithinRate(): boolean {
    if (this.#rate.take()) return true;
    this.#options.metrics.limitHit("messagesPerSecond");
    this.close(CloseCode.tooMany, "too many messages");
    return false;
  }

  #received(data: RawData, isBinary: boolean): void {
    this.#heard();
    if (this.#state === "closed" || !this.#isWithinRate()) return;
    // `binaryType` is the default, nodebuffer: one Buffer per message.
    let message: AgentMessage | undefined;
    try {
      message = isBinary ? undefined : parseAgentMessage((data as Buffer).toString());
    } catch (error) {
      this.#refuse("invalid-message", CloseCode.invalidMessage, describeError(error));
      return;
    }
    this.#options.metrics.messagesReceived.inc({ kind: message?.kind ?? "unknown" });
    if (message !== undefined) this.#handle(message);
  }

  #handle(message: AgentMessage): void {
    if (message.kind === "hello") {
      this.#greet(message);
      return;
    }
    if (this.#state !== "serving") {
      this.#refuse("invalid-message", CloseCode.invalidMessage, `${message.kind} before hello`);
      return;
    }
    switch (message.kind) {
      case "applied":
        this.#takeApplied(message);
        return;
      case "refused":
        this.#takeRefused(message.problems);
        return;
      case "sign":
        void this.#sign(message);
        return;
      case "report":
        this.#ready = message.ready;
        this.#counters = message.counters;
        this.#rootsUnanswered = false;
        this.#options.host.reported(this);
        return;
      case "quota-report":
        this.#options.host.quotaReported(this, message);
        return;
      case "goodbye":
        this.#leaving = true;
        if (message.removed) this.#options.host.removed(this);
        return;
      case "ping":
        return;
    }
  }

  #greet(hello: HelloMessage): void {
    const { host, log } = this.#options;
    if (this.#state !== "greeting") {
      this.#refuse("invalid-message", CloseCode.invalidMessage, "hello twice");
      return;
    }
    if (hello.node !== this.node) {
      this.#refuse("wrong-node", CloseCode.wrongNode, `token is that of ${this.node}, hello says ${hello.node}`);
      return;
    }
    this.#helloTimer.cancel();
    this.#state = "serving";
    this.#hello = hello;
    this.#position = hello.have;
    this.#applied = hello.have;
    const { node, instance, version, have } = hello;
    log.info({ node, instance, version, have }, "Agent connected");
    host.greeted(this);
    // Before the table: whom it names, the agent must be able to trust.
    this.tellRoots(host.roots());
    if (this.#comesFromElsewhere()) this.#handOver();
    this.deliver();
  }

  #comesFromElsewhere(): boolean {
    const { epoch } = this.#options.host;
    return this.#position !== undefined && epoch !== undefined && this.#position.epoch !== epoch;
  }

  /** An agent without a table is never kept waiting: this one has a good table, perhaps newer than ours. */
  #handOver(): void {
    this.#handover = this.#options.clock.after(timers.handoverMs, () => {
      this.#handover = undefined;
      this.deliver();
    });
  }

  #takeApplied({ epoch, sequence }: TablePosition): void {
    if (epoch !== this.#position?.epoch || sequence > this.#position.sequence) return;
    const before = this.#applied?.epoch === epoch ? this.#applied.sequence : sequence - 1;
    this.#applied = { epoch, sequence };
    this.#refusing = false;
    this.#options.host.applied(this, before);
  }

  #takeRefused(problems: readonly string[]): void {
    const { node, instance } = this;
    this.#options.log.error({ node, instance, problems, sent: this.#position }, "Agent refused a table message");
    // Once: an agent that refuses the snapshot too is given the next state, not the same one for ever.
    if (!this.#refusing) this.#position = undefined;
    this.#refusing = true;
    this.deliver();
  }

  async #sign({ requestId, csr }: SignMessage): Promise<void> {
    const { host, metrics, socket } = this.#options;
    if (socket.bufferedAmount > limits.sessionBufferedBytes || this.#sender.queued > limits.signingPerSession) {
      // It asks without reading the answers.
      metrics.limitHit("sessionBufferedBytes");
      this.terminate();
      return;
    }
    if (this.#signing >= limits.signingPerSession) {
      metrics.limitHit("signingPerSession");
      this.#send({ kind: "sign-refused", requestId, reason: "too many requests at once" });
      return;
    }
    this.#signing += 1;
    try {
      const { chain, roots } = await host.sign(this.node, csr);
      this.#send({ kind: "certificate", requestId, chain, roots });
    } catch (error) {
      this.#send({ kind: "sign-refused", requestId, reason: describeError(error) });
    } finally {
      this.#signing -= 1;
    }
  }

  #send(message: ControllerMessage): void {
    const { socket } = this.#options;
    if (socket.readyState !== WebSocket.OPEN) return;
    this.#sender.send({ bytes: Buffer.from(JSON.stringify(message)), binary: false });
  }

  #refuse(reason: RefusedConnectionReason, code: number, detail: string = reason): void {
    const { metrics, log } = this.#options;
    metrics.connectionRefused(reason);
    log.warn({ node: this.node, instance: this.instance, reason, detail }, "Channel of an agent refused");
    this.close(code, reason);
  }

  #socketFailed(error: Error & { readonly code?: string }): void {
    if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") this.#options.metrics.limitHit("agentMessageBytes");
    const facts = { node: this.node, instance: this.instance, error: describeError(error) };
    this.#options.log.warn(facts, "Channel of an agent failed");
  }

  #closed(): void {
    this.#state = "closed";
    this.#helloTimer.cancel();
    this.#handover?.cancel();
    this.#options.host.closed(this);
  }
}
