/**
 * One connection on its way to a picked endpoint: the handle by which the dialer reports what became of it.
 *
 *   picked ---connected---> connected ---finished---> over
 *     |  \-----failed------------------------------->  ^
 *     \---------finished (given up, no verdict)--------/
 *
 * Reports out of this order are ignored, so that racing timers and socket events need no guard at the dialer.
 */
import type { Candidate } from "../../routing/decide-connection.ts";
import type { Endpoint } from "./endpoint.ts";

/** Who judges endpoints by the outcomes of attempts. */
export interface AttemptJudge {
  attemptConnected(endpoint: Endpoint, probe: boolean, latencyMs: number): void;
  attemptFailed(endpoint: Endpoint, probe: boolean): void;
  /** Given up before there was a verdict, e.g. because the client left. */
  attemptAbandoned(endpoint: Endpoint, probe: boolean): void;
}

export class Attempt {
  /** What to dial. */
  readonly candidate: Candidate;
  /** The endpoint was ejected and this connection tries whether it is back. */
  readonly probe: boolean;
  readonly #endpoint: Endpoint;
  readonly #judge: AttemptJudge;
  #state: "picked" | "connected" | "over" = "picked";

  constructor(candidate: Candidate, endpoint: Endpoint, probe: boolean, judge: AttemptJudge) {
    this.candidate = candidate;
    this.probe = probe;
    this.#endpoint = endpoint;
    this.#judge = judge;
    endpoint.inFlight += 1;
  }

  /** The application accepted the connection, `latencyMs` after it was asked. */
  connected(latencyMs: number): void {
    if (this.#state !== "picked") return;
    this.#state = "connected";
    this.#judge.attemptConnected(this.#endpoint, this.probe, latencyMs);
  }

  /** The endpoint could not be reached, or did not accept. The attempt is over. */
  failed(): void {
    if (this.#state !== "picked") return;
    this.#leave();
    this.#judge.attemptFailed(this.#endpoint, this.probe);
  }

  /** The connection is over, for whatever reason that does not speak against the endpoint. */
  finished(): void {
    if (this.#state === "over") return;
    const hadVerdict = this.#state === "connected";
    this.#leave();
    if (!hadVerdict) this.#judge.attemptAbandoned(this.#endpoint, this.probe);
  }

  #leave(): void {
    this.#state = "over";
    this.#endpoint.inFlight -= 1;
  }
}
