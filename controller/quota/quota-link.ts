/**
 * From a replica that does not lead to the one that does: reports about quotas go there, leases come back.
 *
 *   dialing --open--> open --lost--> waiting --(jittered backoff)--> dialing       closed: from anywhere, for good
 *
 * Nothing is kept while there is no connection: a report is worth nothing a moment later.
 */
import { isIP } from "node:net";
import { WebSocket } from "ws";
import { backoffMs } from "../../core/backoff.ts";
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { CHANNEL_SUBPROTOCOL } from "../../protocol/channel.ts";
import type { QuotaLeaseMessage, QuotaReportMessage } from "../../protocol/channel.ts";
import { limits, timers } from "../limits.ts";
import type { QuotaAgent } from "./quota-leases.ts";
import { type GuestMessage, parseLeaderMessage, REPLICA_PATH } from "./replica-messages.ts";

/** What it takes to be let in, and to know whom one speaks to. */
export interface ReplicaCredentials {
  /** Secret. */
  readonly token: string;
  /** PEM. */
  readonly roots: string;
}

export interface QuotaLinkOptions {
  /** Address of the leader. */
  readonly host: string;
  readonly port: number;
  /** A DNS name of every replica's certificate. */
  readonly servername: string;
  readonly credentials: () => ReplicaCredentials;
  readonly onOpen: () => void;
  readonly onLease: (agent: QuotaAgent, message: QuotaLeaseMessage) => void;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

const redial = { baseMs: timers.replicaRedialMs, maxMs: timers.longestReplicaRedialMs };

export class QuotaLink {
  readonly #options: QuotaLinkOptions;
  #socket: WebSocket | undefined;
  #timer: Timer | undefined;
  #attempt = 0;
  #lastFailure = "";
  #closed = false;

  constructor(options: QuotaLinkOptions) {
    this.#options = options;
  }

  start(): void {
    this.#dial();
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  report(agent: QuotaAgent, message: QuotaReportMessage): void {
    this.#send({ kind: "report", agent, message });
  }

  left(agent: QuotaAgent): void {
    this.#send({ kind: "left", agent });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#socket?.terminate();
  }

  #send(message: GuestMessage): void {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > limits.replicaBufferedBytes) return;
    socket.send(JSON.stringify(message));
  }

  #dial(): void {
    const { host, port, servername, credentials, log } = this.#options;
    const { token, roots } = credentials();
    const address = isIP(host) === 6 ? `[${host}]` : host;
    const socket = new WebSocket(`wss://${address}:${port}${REPLICA_PATH}`, CHANNEL_SUBPROTOCOL, {
      ...{ ca: roots, servername, minVersion: "TLSv1.3" },
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: timers.handshakeMs,
      maxPayload: limits.agentMessageBytes,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    let failure: unknown;
    let silence = this.#watchSilence(socket);
    socket.on("open", () => {
      this.#attempt = 0;
      this.#lastFailure = "";
      log.info({ leader: host }, "Quotas are leased by the leader, reports of agents go there");
      this.#options.onOpen();
    });
    socket.on("message", (data) => this.#received(socket, (data as Buffer).toString()));
    socket.on("ping", () => {
      silence.cancel();
      silence = this.#watchSilence(socket);
    });
    // `close` always follows.
    socket.on("error", (error) => (failure = error));
    socket.on("close", (code) => {
      silence.cancel();
      this.#lost(socket, failure ?? `closed with ${code}`);
    });
  }

  /** The leader pings; one that has vanished does not. */
  #watchSilence(socket: WebSocket): Timer {
    return this.#options.clock.after(timers.silenceMs, () => socket.terminate());
  }

  #received(socket: WebSocket, text: string): void {
    try {
      const { agent, message } = parseLeaderMessage(text);
      this.#options.onLease(agent, message);
    } catch (error) {
      this.#options.log.warn({ error: describeError(error) }, "Connection to the leader is given up for now");
      socket.terminate();
    }
  }

  #lost(socket: WebSocket, reason: unknown): void {
    if (this.#closed || this.#socket !== socket) return;
    const { clock, host, log, random } = this.#options;
    const error = describeError(reason);
    // A line when the reason is new.
    if (error !== this.#lastFailure) log.warn({ leader: host, error }, "Cannot reach the leader, trying again");
    this.#lastFailure = error;
    this.#socket = undefined;
    this.#timer = clock.after(backoffMs(redial, this.#attempt, random), () => this.#dial());
    this.#attempt += 1;
  }
}
