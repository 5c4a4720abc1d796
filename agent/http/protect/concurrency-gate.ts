/**
 * A bulkhead: so many requests to one thing at a time, so many more wait for their turn, all others are turned away. A
 * service that has become slow then holds no more than its share of its callers.
 *
 *   enter --free--------------------------> inside --leave--> gone
 *      \----waiting--its turn---------------^  /
 *       \       \---too long: `timedOut`------/
 *        \----no place: undefined
 *
 * Nobody overtakes: while one waits, those that come wait too.
 */
import type { Clock, Timer } from "../../../core/clock.ts";
import type { LiveGate } from "../../../protocol/live-state.ts";
import { WaitingLine, WaitingPlace } from "./waiting-line.ts";

export interface GateSettings {
  readonly maxRequests: number;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
}

/** Of a request that waits: one of the two, once, never from within `enter`. */
export interface GateVisitor {
  admitted(): void;
  timedOut(): void;
}

/** One request's place, inside or in the line. */
export interface GatePlace {
  readonly isInside: boolean;
  /** Once it is over, or not wanted any more. Harmless when it is gone already. */
  leave(): void;
}

class Place extends WaitingPlace implements GatePlace {
  state: "waiting" | "inside" | "gone" = "waiting";
  readonly visitor: GateVisitor;
  readonly #leave: (place: Place) => void;

  constructor(sinceMs: number, visitor: GateVisitor, leave: (place: Place) => void) {
    super(sinceMs);
    this.visitor = visitor;
    this.#leave = leave;
  }

  get isInside(): boolean {
    return this.state === "inside";
  }

  leave(): void {
    this.#leave(this);
  }
}

export class ConcurrencyGate {
  readonly #clock: Clock;
  readonly #line = new WaitingLine<Place>();
  #settings: GateSettings;
  #inside = 0;
  #timer: Timer | undefined;
  #isAdmitting = false;

  constructor(clock: Clock, settings: GateSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#line.size;
  }

  /** For a person who asks. */
  read(): Omit<LiveGate, "worker" | "scope"> {
    const { maxRequests, maxWaiting } = this.#settings;
    return { inside: this.#inside, maxRequests, waiting: this.#line.size, maxWaiting };
  }

  /** Undefined: it is full, and so is the line. */
  enter(visitor: GateVisitor): GatePlace | undefined {
    const { maxRequests, maxWaiting } = this.#settings;
    const isFree = this.#line.size === 0 && this.#inside < maxRequests;
    if (!isFree && this.#line.size >= maxWaiting) return undefined;
    const place = new Place(this.#clock.monotonicMs(), visitor, this.#left);
    if (isFree) this.#letIn(place);
    else {
      this.#line.join(place);
      this.#watchLine();
    }
    return place;
  }

  /** Other numbers from now on. Who is inside or in the line stays there. */
  adapt(settings: GateSettings): void {
    this.#settings = settings;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#admitNext();
  }

  readonly #left = (place: Place): void => {
    const { state } = place;
    place.state = "gone";
    if (state === "inside") {
      this.#inside -= 1;
      this.#admitNext();
    } else if (state === "waiting") {
      this.#line.leave(place);
      this.#watchLine();
    }
  };

  #letIn(place: Place): void {
    place.state = "inside";
    this.#inside += 1;
  }

  /** Those that fail at once leave while it still runs: a loop, or a long line would be as deep a stack. */
  #admitNext(): void {
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    try {
      for (let next = this.#line.first; next !== undefined; next = this.#line.first) {
        if (this.#inside >= this.#settings.maxRequests) break;
        this.#line.leave(next);
        this.#letIn(next);
        next.visitor.admitted();
      }
    } finally {
      this.#isAdmitting = false;
      this.#watchLine();
    }
  }

  /** One timer, for the first of the line: nobody behind it has waited longer. */
  #watchLine(): void {
    const { first } = this.#line;
    if (first === undefined) {
      this.#timer?.cancel();
      this.#timer = undefined;
    } else if (this.#timer === undefined) {
      const dueMs = first.sinceMs + this.#settings.maxWaitMs - this.#clock.monotonicMs();
      this.#timer = this.#clock.after(Math.max(0, dueMs), this.#turnAway);
    }
  }

  readonly #turnAway = (): void => {
    this.#timer = undefined;
    const latestMs = this.#clock.monotonicMs() - this.#settings.maxWaitMs;
    for (let { first } = this.#line; first !== undefined && first.sinceMs <= latestMs; { first } = this.#line) {
      this.#line.leave(first);
      first.state = "gone";
      first.visitor.timedOut();
    }
    this.#watchLine();
  };
}
