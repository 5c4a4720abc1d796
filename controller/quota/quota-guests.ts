/** The leader's end of the connections that other replicas make: each brings reports of its agents, and gets their leases. */
import { timingSafeEqual } from "node:crypto";
import { WebSocket } from "ws";
import type { Clock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { QuotaLeaseMessage } from "../../protocol/channel.ts";
import { limits, timers } from "../limits.ts";
import type { QuotaDesk, QuotaGuest } from "./quota-desk.ts";
import { agentKey, type QuotaAgent } from "./quota-leases.ts";
import { type LeaderMessage, parseGuestMessage } from "./replica-messages.ts";

export interface QuotaGuestsOptions {
  readonly desk: Pick<QuotaDesk, "guestReport" | "guestLeft">;
  /** What every replica has that holds the authority's key. */
  readonly token: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

export class QuotaGuests {
  readonly #options: QuotaGuestsOptions;
  readonly #guests = new Set<Guest>();

  constructor(options: QuotaGuestsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#guests.size;
  }

  isReplica(token: string): boolean {
    const expected = Buffer.from(this.#options.token());
    const found = Buffer.from(token);
    return found.length === expected.length && timingSafeEqual(found, expected);
  }

  /** `socket`: of one who has shown the token. */
  open(socket: WebSocket): void {
    const { clock, desk, log } = this.#options;
    const guest = new Guest(socket, desk, log);
    this.#guests.add(guest);
    const pings = clock.every(timers.pingMs, () => guest.ping());
    socket.on("close", () => {
      pings.cancel();
      this.#guests.delete(guest);
      guest.closed();
    });
    guest.start();
  }

  close(): void {
    for (const guest of this.#guests) guest.terminate();
  }
}

const MAX_SILENT_PINGS = Math.ceil(timers.silenceMs / timers.pingMs);

class Guest implements QuotaGuest {
  readonly #socket: WebSocket;
  readonly #desk: QuotaGuestsOptions["desk"];
  readonly #log: Log;
  readonly #agents = new Map<string, QuotaAgent>();
  #silentPings = 0;

  constructor(socket: WebSocket, desk: QuotaGuestsOptions["desk"], log: Log) {
    this.#socket = socket;
    this.#desk = desk;
    this.#log = log;
  }

  start(): void {
    this.#socket.on("message", (data) => this.#received((data as Buffer).toString()));
    this.#socket.on("pong", () => (this.#silentPings = 0));
    // `close` always follows.
    this.#socket.on("error", (error) => this.#log.warn({ error: describeError(error) }, "Another replica is lost"));
  }

  lease(agent: QuotaAgent, message: QuotaLeaseMessage): void {
    if (this.#socket.readyState !== WebSocket.OPEN || this.#socket.bufferedAmount > limits.replicaBufferedBytes) return;
    const letter: LeaderMessage = { kind: "lease", agent, message };
    this.#socket.send(JSON.stringify(letter));
  }

  ping(): void {
    this.#silentPings += 1;
    if (this.#silentPings > MAX_SILENT_PINGS) this.terminate();
    else this.#socket.ping();
  }

  terminate(): void {
    this.#socket.terminate();
  }

  closed(): void {
    for (const agent of this.#agents.values()) this.#desk.guestLeft(this, agent);
    this.#agents.clear();
  }

  #received(text: string): void {
    try {
      const message = parseGuestMessage(text);
      const key = agentKey(message.agent);
      if (message.kind === "report") {
        this.#agents.set(key, message.agent);
        this.#desk.guestReport(this, message.agent, message.message);
      } else {
        this.#agents.delete(key);
        this.#desk.guestLeft(this, message.agent);
      }
    } catch (error) {
      this.#log.warn({ error: describeError(error) }, "Connection of another replica is closed");
      this.terminate();
    }
  }
}
