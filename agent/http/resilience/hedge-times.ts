/**
 * When a request is late enough for a second try beside it: as its policy says, or by the last answers in its scope. In the
 * latter case nobody has said how many are too many, but the percentile: so further tries are earned by requests, and a
 * request that is late waits on until there is one for it.
 */
import type { Hedging } from "../../../protocol/route-table.ts";
import { httpLimits } from "../limits.ts";
import { AnswerTimes } from "./answer-times.ts";

/** One further try for so many requests. */
const REQUESTS_PER_HEDGE = 20;
/** The percentile that goes with it, the 95th. */
const LATE = 1 - 1 / REQUESTS_PER_HEDGE;
/** Further tries that may be set by: when a server stumbles, several requests are late at once. */
const KEPT_HEDGES = 10;

interface Scope {
  readonly times: AnswerTimes;
  /** In requests. */
  earned: number;
}

export class HedgeTimes {
  readonly #onLimit: (name: "hedgeScopes") => void;
  readonly #scopes = new Map<string, Scope>();

  constructor(onLimit: (name: "hedgeScopes") => void) {
    this.#onLimit = onLimit;
  }

  /** A request that may be tried twice. */
  requested(hedging: Hedging): void {
    if (hedging.afterMs !== undefined) return;
    const scope = this.#of(hedging);
    scope.earned = Math.min(scope.earned + 1, KEPT_HEDGES * REQUESTS_PER_HEDGE);
  }

  /** Undefined: too little is known. */
  delayMs({ afterMs, scope }: Hedging): number | undefined {
    return afterMs ?? this.#scopes.get(scope)?.times.quantileMs;
  }

  /** Whether one more try is within what the percentile promises. */
  mayHedge({ afterMs, scope }: Hedging): boolean {
    return afterMs !== undefined || (this.#scopes.get(scope)?.earned ?? 0) >= REQUESTS_PER_HEDGE;
  }

  hedged(hedging: Hedging): void {
    if (hedging.afterMs === undefined) this.#of(hedging).earned -= REQUESTS_PER_HEDGE;
  }

  /** From a request to the head of its answer, or to when another try's came first: it would have taken longer. */
  observe(hedging: Hedging, ms: number): void {
    if (hedging.afterMs === undefined) this.#of(hedging).times.observe(ms);
  }

  #of({ scope }: Hedging): Scope {
    const known = this.#scopes.get(scope);
    if (known !== undefined) return known;
    if (this.#scopes.size >= httpLimits.hedgeScopes) this.#forgetOldest();
    const created = { times: new AnswerTimes(LATE), earned: 0 };
    this.#scopes.set(scope, created);
    return created;
  }

  #forgetOldest(): void {
    const [oldest] = this.#scopes.keys();
    if (oldest !== undefined) this.#scopes.delete(oldest);
    this.#onLimit("hedgeScopes");
  }
}
