/**
 * Load balancing for everything a data worker dials: which endpoint takes the next connection.
 *
 *   const attempt = balancers.pick({ destination, candidates, algorithm, ejection, sourceAddress, exclude });
 *   ... dial attempt.candidate ...
 *   attempt.connected(latencyMs) | attempt.failed()          of a connection: the verdict on the endpoint, at most one
 *   attempt.answered(answer) | attempt.broken() | .failed()  of a request: the same
 *   attempt.finished()                                       it is over (or was given up before a verdict)
 *
 * State is kept per destination, in this worker only, and is bounded (`limits.ts`). Nothing here throws, waits or
 * holds a timer; an attempt stays valid when its destination was forgotten meanwhile.
 */
import type { Clock } from "../../core/clock.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import type { Attempt } from "./attempt.ts";
import { DestinationBalancer } from "./destination-balancer.ts";
import type { BalancerEvents } from "./endpoint-judge.ts";
import { DESTINATION_IDLE_MS, MAX_DESTINATIONS, SWEEP_PERIOD_MS } from "./limits.ts";
import type { EndpointReading } from "./endpoint-reading.ts";
import type { PickRequest } from "./pick-request.ts";

export interface BalancersOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly events?: BalancerEvents;
  /** For tests; the default is `MAX_DESTINATIONS`. */
  readonly maxDestinations?: number;
}

interface StateKey {
  readonly destination: string;
  readonly key: string;
}

export class Balancers {
  readonly #options: BalancersOptions;
  readonly #maxDestinations: number;
  /** In order of last use, the longest unused first. */
  readonly #destinations = new Map<string, DestinationBalancer>();
  #youngest: DestinationBalancer | undefined;
  /** For requests, by their list of candidates: a text made anew has to be looked up by its letters. */
  readonly #keys = new WeakMap<readonly Candidate[], StateKey>();
  #nextSweepMs = 0;

  constructor(options: BalancersOptions) {
    this.#options = options;
    this.#maxDestinations = options.maxDestinations ?? MAX_DESTINATIONS;
  }

  /** Destinations with state: for tests and metrics. */
  get size(): number {
    return this.#destinations.size;
  }

  /** Undefined when `candidates` is empty or all of them are excluded. The attempt counts as in flight from now on. */
  pick(request: PickRequest): Attempt | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs >= this.#nextSweepMs) this.#sweep(nowMs);
    return this.#balancerOf(request).pick(request, nowMs);
  }

  /** Endpoints of a Service, of all its ports and subsets, as they are now. `service`: its key. */
  read(service: string): readonly EndpointReading[] {
    const nowMs = this.#options.clock.monotonicMs();
    return [...this.#destinations].flatMap(([key, balancer]) => {
      if (!key.startsWith(`${service}:`)) return [];
      const about = { destination: balancer.destination, ofRequests: key.endsWith(OF_REQUESTS) };
      return balancer.read(nowMs).map((reading) => ({ ...about, ...reading }));
    });
  }

  #balancerOf(request: PickRequest): DestinationBalancer {
    const { destination } = request;
    const key = this.#keyOf(request);
    const known = this.#destinations.get(key);
    if (known !== undefined) {
      // Re-inserting moves it to the young end, where it mostly is.
      if (known !== this.#youngest) this.#destinations.delete(key);
      return this.#insert(key, known);
    }
    if (this.#destinations.size >= this.#maxDestinations) this.#forgetOldest();
    const created = new DestinationBalancer({
      destination,
      clock: this.#options.clock,
      random: this.#options.random,
      events: this.#options.events,
    });
    return this.#insert(key, created);
  }

  #keyOf({ destination, candidates, ofRequests = false }: PickRequest): string {
    // Connections to a pod's address come with a new list each time.
    if (!ofRequests) return stateKey(destination, candidates, false);
    const known = this.#keys.get(candidates);
    if (known?.destination === destination) return known.key;
    const key = stateKey(destination, candidates, true);
    this.#keys.set(candidates, { destination, key });
    return key;
  }

  #insert(key: string, balancer: DestinationBalancer): DestinationBalancer {
    if (balancer === this.#youngest) return balancer;
    this.#youngest = balancer;
    this.#destinations.set(key, balancer);
    return balancer;
  }

  #forgetOldest(): void {
    for (const oldest of this.#destinations.keys()) {
      this.#destinations.delete(oldest);
      this.#options.events?.limitHit("balanced-destinations");
      return;
    }
  }

  #sweep(nowMs: number): void {
    this.#nextSweepMs = nowMs + SWEEP_PERIOD_MS;
    for (const [key, balancer] of this.#destinations) {
      if (balancer.lastPickMs + DESTINATION_IDLE_MS > nowMs) return;
      this.#destinations.delete(key);
    }
  }
}

/**
 * A Service has a list of candidates per address family, and one for requests, which has what the kernel takes of
 * connections too. Kept apart, or else clients of both in turn would make the balancer take over a list, and forget the
 * other one's statistics, at every pick.
 */
function stateKey(destination: string, candidates: readonly Candidate[], ofRequests: boolean): string {
  const family = candidates[0]?.address.includes(":") === true ? " IPv6" : "";
  return ofRequests ? `${destination}${family}${OF_REQUESTS}` : `${destination}${family}`;
}

const OF_REQUESTS = " requests";
