/**
 * One connection or request on its way to a picked endpoint: the handle by which the dialer reports what became of it.
 *
 *   picked ---connected---> connected ---finished------------------> over
 *     |  \                       \                                    ^
 *     |   \------answered---------\--> answered --finished, broken--->|    requests only
 *     \-----failed, broken, outrun, finished (given up, no verdict)---/
 *
 * Reports out of this order are ignored, so that racing timers and socket events need no guard at the dialer.
 */
import type { Candidate } from "../../routing/decide-connection.ts";
import type { Endpoint } from "./endpoint.ts";

/** How an endpoint has begun to answer a request. */
export interface AnswerReport {
  /** From the pick to the head of the answer. */
  readonly latencyMs: number;
  /** What says that the server has failed, for a person; absent: nothing does. */
  readonly failure?: string | undefined;
  /** The endpoint wants to be left alone for so long. */
  readonly retryAfterMs?: number | undefined;
}

/** Who judges endpoints by the outcomes of attempts. */
export interface AttemptJudge {
  attemptConnected(endpoint: Endpoint, probe: boolean, latencyMs: number): void;
  attemptFailed(endpoint: Endpoint, probe: boolean): void;
  /** Nothing has come, and whatever will takes longer than this. */
  attemptOutrun(endpoint: Endpoint, waitedMs: number): void;
  /** Given up before there was a verdict, e.g. because the client left. */
  attemptAbandoned(endpoint: Endpoint, probe: boolean): void;
  attemptAnswered(endpoint: Endpoint, probe: boolean, answer: AnswerReport): void;
  /** A good answer came to its end, or to where its client left. */
  attemptCompleted(endpoint: Endpoint): void;
  /** There was no good answer to its end. */
  attemptBroken(endpoint: Endpoint, probe: boolean, detail: string): void;
}

export class Attempt {
  /** What to dial. */
  readonly candidate: Candidate;
  /** The endpoint was ejected and this connection tries whether it is back. */
  readonly probe: boolean;
  readonly #endpoint: Endpoint;
  readonly #judge: AttemptJudge;
  #state: "picked" | "connected" | "answered" | "over" = "picked";
  #isGood = false;

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

  /** The head of the answer has come; so the application has accepted, too. */
  answered(answer: AnswerReport): void {
    this.connected(answer.latencyMs);
    if (this.#state !== "connected") return;
    this.#state = "answered";
    this.#isGood = answer.failure === undefined;
    this.#judge.attemptAnswered(this.#endpoint, this.probe, answer);
  }

  /** The endpoint could not be reached, or did not accept. The attempt is over. */
  failed(): void {
    if (this.#state !== "picked") return;
    this.#leave();
    this.#judge.attemptFailed(this.#endpoint, this.probe);
  }

  /**
   * The request was delivered, or may have been, and its answer did not come, not in time, not whole, or said at its end
   * that the server has failed. The attempt is over.
   */
  broken(detail: string): void {
    if (this.#state === "over") return;
    const wasTold = this.#state === "answered" && !this.#isGood;
    this.#leave();
    if (!wasTold) this.#judge.attemptBroken(this.#endpoint, this.probe, detail);
  }

  /**
   * Another endpoint has answered the same request, though it was asked later, and the answer of this one is not waited for any
   * more: neither a success nor a failure, but it takes longer than `waitedMs`. The attempt is over.
   */
  outrun(waitedMs: number): void {
    if (this.#state === "picked") this.#judge.attemptOutrun(this.#endpoint, waitedMs);
    this.finished();
  }

  /** The connection or request is over, for whatever reason that does not speak against the endpoint. */
  finished(): void {
    if (this.#state === "over") return;
    const state = this.#state;
    this.#leave();
    if (state === "picked") this.#judge.attemptAbandoned(this.#endpoint, this.probe);
    else if (state === "answered" && this.#isGood) this.#judge.attemptCompleted(this.#endpoint);
  }

  #leave(): void {
    this.#state = "over";
    this.#endpoint.inFlight -= 1;
  }
}
