/** When a request is late enough for a second try beside it: as its policy says, or by the last answers in its scope. */
import type { Hedging } from "../../../protocol/route-table.ts";
import { httpLimits } from "../limits.ts";
import { AnswerTimes } from "./answer-times.ts";

/** So that about a twentieth of the requests are tried twice, while answers are as they were. */
const LATE = 0.95;

export class HedgeTimes {
  readonly #onLimit: (name: "hedgeScopes") => void;
  readonly #scopes = new Map<string, AnswerTimes>();

  constructor(onLimit: (name: "hedgeScopes") => void) {
    this.#onLimit = onLimit;
  }

  /** Undefined: too little is known. */
  delayMs({ afterMs, scope }: Hedging): number | undefined {
    return afterMs ?? this.#scopes.get(scope)?.quantileMs;
  }

  /** From a request to the head of its answer, or to when another try's came first: it would have taken longer. */
  observe({ afterMs, scope }: Hedging, ms: number): void {
    if (afterMs !== undefined) return;
    let times = this.#scopes.get(scope);
    if (times === undefined) {
      if (this.#scopes.size >= httpLimits.hedgeScopes) this.#forgetOldest();
      times = new AnswerTimes(LATE);
      this.#scopes.set(scope, times);
    }
    times.observe(ms);
  }

  #forgetOldest(): void {
    const [oldest] = this.#scopes.keys();
    if (oldest !== undefined) this.#scopes.delete(oldest);
    this.#onLimit("hedgeScopes");
  }
}
