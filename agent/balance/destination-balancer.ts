/**
 * The endpoints of one destination: who may take a connection now, who is ejected, and how many may be.
 *
 *   candidates of the table -> endpoints with their statistics -> pool (serving, or due for a probe) -> strategy
 *
 * A first try uses the pool. A retry prefers an endpoint that serves, then one due for a probe, then an ejected one: a
 * doubtful endpoint is better than a failed connection.
 */
import type { Clock } from "../../core/clock.ts";
import type { EjectionSettings } from "../../protocol/table.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import { Attempt } from "./attempt.ts";
import type { AttemptJudge } from "./attempt.ts";
import { readEndpoint } from "./endpoint-reading.ts";
import { EndpointPool } from "./endpoint-pool.ts";
import { Endpoint } from "./endpoint.ts";
import { loadBalancerFor } from "./load-balancer-for.ts";
import type { PickRequest } from "./pick-request.ts";

/** For the log and the metrics. */
export interface EjectionEvent {
  readonly destination: string;
  readonly candidate: Candidate;
}

export interface BalancerEvents {
  /** `failures` connect attempts in a row failed; the endpoint takes nothing for `ejectionMs`, then one probe. */
  ejected(event: EjectionEvent & { readonly failures: number; readonly ejectionMs: number }): void;
  /** A connect to an ejected endpoint succeeded. */
  returned(event: EjectionEvent): void;
  limitHit(limit: string): void;
}

export interface DestinationBalancerOptions {
  readonly destination: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly events: BalancerEvents | undefined;
}

export class DestinationBalancer implements AttemptJudge {
  readonly #options: DestinationBalancerOptions;
  #lastPickMs = 0;
  #candidates: readonly Candidate[] = [];
  #settings: EjectionSettings | undefined;
  #endpoints = new Map<string, Endpoint>();
  /** Undefined: has to be made anew. */
  #pool: EndpointPool | undefined;
  /** When the pool has to be made anew because an ejection ends. */
  #poolUntilMs = Number.POSITIVE_INFINITY;

  constructor(options: DestinationBalancerOptions) {
    this.#options = options;
  }

  get destination(): string {
    return this.#options.destination;
  }

  get lastPickMs(): number {
    return this.#lastPickMs;
  }

  pick(request: PickRequest, nowMs: number): Attempt | undefined {
    this.#lastPickMs = nowMs;
    if (request.candidates !== this.#candidates || request.ejection !== this.#settings) this.#adopt(request, nowMs);
    const excluded = request.exclude !== undefined && request.exclude.size > 0 ? request.exclude : undefined;
    const pool = excluded === undefined ? this.#currentPool(nowMs) : this.#poolWithout(excluded, nowMs);
    const facts = { sourceAddress: request.sourceAddress, nowMs, random: this.#options.random };
    const endpoint = loadBalancerFor(request.algorithm)(pool, facts);
    return endpoint === undefined ? undefined : this.#attempt(endpoint, nowMs);
  }

  /** Every endpoint as it is now. */
  read(nowMs: number): ReturnType<typeof readEndpoint>[] {
    return [...this.#endpoints.values()].map((endpoint) => readEndpoint(endpoint, nowMs));
  }

  attemptConnected(endpoint: Endpoint, _probe: boolean, latencyMs: number): void {
    const nowMs = this.#options.clock.monotonicMs();
    endpoint.latency.observe(latencyMs, nowMs);
    if (!endpoint.ejection.succeeded(nowMs)) return;
    this.#pool = undefined;
    this.#options.events?.returned({ destination: this.#options.destination, candidate: endpoint.candidate });
  }

  attemptFailed(endpoint: Endpoint, probe: boolean): void {
    // The endpoint left the table meanwhile: its failures concern nobody.
    if (this.#settings === undefined || this.#endpoints.get(endpointKey(endpoint.candidate)) !== endpoint) return;
    if (probe && endpoint.ejection.state === "probing") this.#eject(endpoint, this.#settings);
    else if (endpoint.ejection.failed(this.#settings) && this.#mayEjectOneMore(this.#settings)) {
      this.#eject(endpoint, this.#settings);
    }
  }

  attemptAbandoned(endpoint: Endpoint, probe: boolean): void {
    if (!probe) return;
    endpoint.ejection.probeAbandoned(this.#options.clock.monotonicMs());
    this.#pool = undefined;
  }

  #attempt(endpoint: Endpoint, nowMs: number): Attempt {
    const probe = endpoint.ejection.state !== "serving" && endpoint.ejection.isAvailable(nowMs);
    if (probe) {
      endpoint.ejection.probeStarted(nowMs);
      this.#pool = undefined;
    }
    return new Attempt(endpoint.candidate, endpoint, probe, this);
  }

  /** Takes over a new list or new settings. An endpoint that left and comes back later starts afresh. */
  #adopt(request: PickRequest, nowMs: number): void {
    const endpoints = new Map<string, Endpoint>();
    for (const candidate of request.candidates) {
      const key = endpointKey(candidate);
      const endpoint = this.#endpoints.get(key) ?? new Endpoint(candidate, this.#options.random() * candidate.weight);
      endpoint.candidate = candidate;
      endpoints.set(key, endpoint);
    }
    this.#endpoints = endpoints;
    this.#candidates = request.candidates;
    this.#settings = request.ejection;
    this.#pool = undefined;
    this.#releaseBeyondCap(request.ejection, nowMs);
  }

  #currentPool(nowMs: number): EndpointPool {
    if (this.#pool === undefined || nowMs >= this.#poolUntilMs) this.#makePool(nowMs);
    return this.#pool as EndpointPool;
  }

  #makePool(nowMs: number): void {
    const available: Endpoint[] = [];
    this.#poolUntilMs = Number.POSITIVE_INFINITY;
    for (const endpoint of this.#endpoints.values()) {
      if (endpoint.ejection.isAvailable(nowMs)) available.push(endpoint);
      else this.#poolUntilMs = Math.min(this.#poolUntilMs, endpoint.ejection.untilMs);
    }
    this.#pool = new EndpointPool(available);
  }

  #poolWithout(excluded: ReadonlySet<string>, nowMs: number): EndpointPool {
    const others = [...this.#endpoints.values()].filter((endpoint) => !excluded.has(endpoint.candidate.key));
    const serving = others.filter((endpoint) => endpoint.ejection.state === "serving");
    if (serving.length > 0) return new EndpointPool(serving);
    const due = others.filter((endpoint) => endpoint.ejection.isAvailable(nowMs));
    return new EndpointPool(due.length > 0 ? due : others);
  }

  #eject(endpoint: Endpoint, settings: EjectionSettings): void {
    const { failures } = endpoint.ejection;
    const ejectionMs = endpoint.ejection.eject(settings, this.#options.clock.monotonicMs());
    this.#pool = undefined;
    const { destination } = this.#options;
    this.#options.events?.ejected({ destination, candidate: endpoint.candidate, failures, ejectionMs });
  }

  #mayEjectOneMore(settings: EjectionSettings): boolean {
    if (this.#out().length < ejectionCap(settings, this.#endpoints.size)) return true;
    // The only endpoint is never ejected; that is no bound worth an alert.
    if (this.#endpoints.size > 1) this.#options.events?.limitHit("ejected-endpoints");
    return false;
  }

  /** Endpoints left, or the settings changed: those whose ejection ends first come back. */
  #releaseBeyondCap(settings: EjectionSettings, nowMs: number): void {
    const out = this.#out();
    const excess = out.length - ejectionCap(settings, this.#endpoints.size);
    if (excess <= 0) return;
    out.sort((a, b) => a.ejection.untilMs - b.ejection.untilMs);
    for (const endpoint of out.slice(0, excess)) endpoint.ejection.release(nowMs);
  }

  #out(): Endpoint[] {
    return [...this.#endpoints.values()].filter((endpoint) => endpoint.ejection.state !== "serving");
  }
}

/** A pod that comes back under its old name with another address is another endpoint. */
function endpointKey(candidate: Candidate): string {
  return `${candidate.key} ${candidate.address}`;
}

/** How many of `count` endpoints may be out at once: the settings' share, and never all of them. */
function ejectionCap(settings: EjectionSettings, count: number): number {
  if (settings.consecutiveFailures === 0) return 0;
  return Math.max(0, Math.min(count - 1, Math.floor((count * settings.maxEjectionPercent) / 100)));
}
