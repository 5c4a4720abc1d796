/**
 * The endpoints of one destination, and which of them takes a connection now.
 *
 *   candidates of the table -> endpoints with their statistics -> takers (`takers-of.ts`) -> pool -> strategy
 *                                          ^
 *                                          \--- outcomes, as the judge sees them (`endpoint-judge.ts`)
 *
 * A first try uses the pool. A retry prefers an endpoint that serves, then one due for a probe, then an ejected one: a
 * doubtful endpoint is better than a failed connection.
 */
import type { Clock } from "../../core/clock.ts";
import type { EjectionSettings } from "../../protocol/table.ts";
import type { ChoiceSettings } from "../../routing/choice-settings.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import { Attempt } from "./attempt.ts";
import { type BalancerEvents, EndpointJudge, endpointKey } from "./endpoint-judge.ts";
import { readEndpoint } from "./endpoint-reading.ts";
import { EndpointPool } from "./endpoint-pool.ts";
import { Endpoint } from "./endpoint.ts";
import { loadBalancerFor } from "./load-balancer-for.ts";
import type { PickRequest } from "./pick-request.ts";
import { takersOf } from "./takers-of.ts";

export interface DestinationBalancerOptions {
  readonly destination: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly events: BalancerEvents | undefined;
}

export class DestinationBalancer {
  readonly #options: DestinationBalancerOptions;
  readonly #judge: EndpointJudge;
  #lastPickMs = 0;
  #candidates: readonly Candidate[] = [];
  #settings: EjectionSettings | undefined;
  #choice: ChoiceSettings | undefined;
  #endpoints = new Map<string, Endpoint>();
  /** Undefined: has to be made anew. */
  #pool: EndpointPool | undefined;
  /** When the pool has to be made anew, because an ejection or a pause ends or a share has grown. */
  #poolUntilMs = Number.POSITIVE_INFINITY;

  constructor(options: DestinationBalancerOptions) {
    const { destination, clock, events } = options;
    this.#options = options;
    this.#judge = new EndpointJudge({ destination, clock, events, onChange: () => this.#forgetPool() });
  }

  get destination(): string {
    return this.#options.destination;
  }

  get lastPickMs(): number {
    return this.#lastPickMs;
  }

  pick(request: PickRequest, nowMs: number): Attempt | undefined {
    this.#lastPickMs = nowMs;
    const { candidates, ejection, choice } = request;
    if (!isSameList(candidates, this.#candidates) || ejection !== this.#settings || choice !== this.#choice) {
      this.#adopt(request, nowMs);
    }
    if (request.only !== undefined) return this.#attemptAt(request.only, nowMs);
    const excluded = request.exclude !== undefined && request.exclude.size > 0 ? request.exclude : undefined;
    const pool = excluded === undefined ? this.#currentPool(nowMs) : this.#poolWithout(excluded, nowMs);
    const { sourceAddress, hashValue } = request;
    const facts = { sourceAddress, hashValue, nowMs, random: this.#options.random };
    const endpoint = loadBalancerFor(request.algorithm)(pool, facts);
    return endpoint === undefined ? undefined : this.#attempt(endpoint, nowMs);
  }

  /** Every endpoint as it is now. */
  read(nowMs: number): ReturnType<typeof readEndpoint>[] {
    return [...this.#endpoints.values()].map((endpoint) => readEndpoint(endpoint, nowMs));
  }

  #attemptAt(candidate: Candidate, nowMs: number): Attempt | undefined {
    const endpoint = this.#endpoints.get(endpointKey(candidate));
    return endpoint?.ejection.isAvailable(nowMs) === true ? this.#attempt(endpoint, nowMs) : undefined;
  }

  #attempt(endpoint: Endpoint, nowMs: number): Attempt {
    const probe = endpoint.ejection.state !== "serving" && endpoint.ejection.isAvailable(nowMs);
    if (probe) {
      endpoint.ejection.probeStarted(nowMs);
      this.#forgetPool();
    }
    return new Attempt(endpoint.candidate, endpoint, probe, this.#judge);
  }

  /** Takes over a new list or new settings. An endpoint that left and comes back later starts afresh. */
  #adopt({ candidates, ejection, choice }: PickRequest, nowMs: number): void {
    const endpoints = new Map<string, Endpoint>();
    for (const candidate of candidates) {
      const key = endpointKey(candidate);
      const endpoint = this.#endpoints.get(key) ?? this.#newcomer(candidate, choice, nowMs);
      endpoint.candidate = candidate;
      endpoint.weight = candidate.weight;
      endpoints.set(key, endpoint);
    }
    this.#endpoints = endpoints;
    this.#candidates = candidates;
    this.#settings = ejection;
    this.#choice = choice;
    this.#forgetPool();
    this.#judge.adopt(endpoints, ejection, choice, nowMs);
  }

  /** The first ones that are known are not new: there is nobody else to take the load meanwhile. */
  #newcomer(candidate: Candidate, choice: ChoiceSettings | undefined, nowMs: number): Endpoint {
    const endpoint = new Endpoint(candidate, this.#options.random() * candidate.weight);
    const slowStart = choice?.slowStart;
    if (slowStart !== undefined && this.#endpoints.size > 0) {
      endpoint.share.begin(nowMs, slowStart.windowMs, slowStart.minPercent / 100);
    }
    return endpoint;
  }

  #currentPool(nowMs: number): EndpointPool {
    if (this.#pool !== undefined && nowMs < this.#poolUntilMs) return this.#pool;
    const { endpoints, untilMs } = takersOf(this.#endpoints.values(), nowMs, this.#choice?.spillOver);
    this.#poolUntilMs = untilMs;
    this.#pool = new EndpointPool(endpoints);
    return this.#pool;
  }

  #poolWithout(excluded: ReadonlySet<string>, nowMs: number): EndpointPool {
    const others = [...this.#endpoints.values()].filter((endpoint) => !excluded.has(endpoint.candidate.key));
    const serving = others.filter((endpoint) => endpoint.ejection.state === "serving");
    const spillOver = this.#choice?.spillOver;
    const { endpoints } = takersOf(serving.length > 0 ? serving : others, nowMs, spillOver);
    // Near and far ones have divided these endpoints otherwise than they divide all.
    if (spillOver !== undefined) this.#forgetPool();
    return new EndpointPool(endpoints.length > 0 ? endpoints : others);
  }

  #forgetPool(): void {
    this.#pool = undefined;
  }
}

/** A pod that is dialled by its own address comes as a new list of the same each time. */
function isSameList(list: readonly Candidate[], known: readonly Candidate[]): boolean {
  if (list === known) return true;
  const [one] = list;
  const [other] = known;
  if (list.length !== 1 || known.length !== 1 || one === undefined || other === undefined) return false;
  return (
    one.key === other.key &&
    one.workload === other.workload &&
    one.address === other.address &&
    one.weight === other.weight &&
    one.transport === other.transport &&
    one.far === other.far
  );
}
