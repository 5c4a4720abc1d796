/**
 * Breakers, gates and rate limits of one data worker, by what shares them. A rule is looked up by its object, which a
 * table replaces when anything about it changes; the states behind it stay.
 */
import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/log.ts";
import type {
  CircuitBreaker as BreakerPart,
  ConcurrencyLimit,
  Fault,
  PolicyPart,
  RateLimit,
  RouteEntry,
  RouteRule,
} from "../../../protocol/route-table.ts";
import type { ProtectionReading } from "./protection-reading.ts";
import type { CircuitReading } from "../../telemetry/metrics-batch.ts";
import { CircuitBreaker, type CircuitTransition } from "./circuit-breaker.ts";
import { ConcurrencyGate } from "./concurrency-gate.ts";
import { protectLimits, type ProtectLimitName } from "./limits.ts";
import { RateLimiter } from "./rate-limiter.ts";
import type { Guard, RuleGuards } from "./rule-guards.ts";
import { ScopedStates } from "./scoped-states.ts";
import { breakerShare, gateShare, rateShare } from "./worker-share.ts";

export interface ProtectionStatesOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Data workers of the agent. */
  readonly workers: number;
  readonly onLimit: (name: ProtectLimitName) => void;
  readonly onTransition: (circuit: CircuitReading) => void;
}

interface Parts {
  readonly breakers: Map<string, BreakerPart>;
  readonly gates: Map<string, ConcurrencyLimit>;
  readonly rates: Map<string, RateLimit>;
  readonly faults: Map<string, Fault>;
}

export class ProtectionStates {
  readonly #options: ProtectionStatesOptions;
  readonly #breakers: ScopedStates<BreakerPart, CircuitBreaker>;
  readonly #gates: ScopedStates<ConcurrencyLimit, ConcurrencyGate>;
  readonly #rates: ScopedStates<RateLimit, RateLimiter>;
  /** When each ends, by the wall clock. */
  readonly #faultEnds: ScopedStates<Fault, number>;
  readonly #guards = new WeakMap<RouteRule, RuleGuards>();

  constructor(options: ProtectionStatesOptions) {
    const { clock, workers, onLimit } = options;
    this.#options = options;
    this.#breakers = new ScopedStates({
      create: (part) => new CircuitBreaker(clock, breakerShare(part, workers), (change) => this.#changed(part, change)),
      adapt: (breaker, part) => breaker.adapt(breakerShare(part, workers)),
      dismiss: () => {},
      onLimit,
    });
    this.#gates = new ScopedStates({
      create: (part) => new ConcurrencyGate(clock, gateShare(part, workers)),
      adapt: (gate, part) => gate.adapt(gateShare(part, workers)),
      // Without a limit nobody has to wait.
      dismiss: (gate) => gate.adapt({ maxRequests: Infinity, maxWaiting: 0, maxWaitMs: 0 }),
      onLimit,
    });
    this.#rates = new ScopedStates({
      create: (part) => new RateLimiter(rateShare(part, workers), onLimit),
      adapt: (rate, part) => rate.adapt(rateShare(part, workers)),
      dismiss: () => {},
      onLimit,
    });
    this.#faultEnds = new ScopedStates({
      create: (fault) => this.#faultEnd(fault),
      adapt: () => {},
      dismiss: () => {},
      onLimit,
    });
  }

  /** Things that have state now. */
  get size(): number {
    return this.#breakers.size + this.#gates.size + this.#rates.size + this.#faultEnds.size;
  }

  /** Requests in all lines. */
  get waiting(): number {
    let waiting = 0;
    for (const { state } of this.#gates.all()) waiting += state.waiting;
    return waiting;
  }

  circuits(): CircuitReading[] {
    return [...this.#breakers.all()].map(({ part: { policy, scope }, state }) => ({
      policy,
      scope,
      state: state.state,
    }));
  }

  /** Of these scopes, as they are now. */
  read(scopes: ReadonlySet<string>): ProtectionReading {
    const nowMs = this.#options.clock.monotonicMs();
    return {
      breakers: readingsOf(this.#breakers, scopes, (breaker) => breaker.read()),
      gates: readingsOf(this.#gates, scopes, (gate) => gate.read()),
      rates: readingsOf(this.#rates, scopes, (rate, limit) => ({ limit, ...rate.read(nowMs) })),
    };
  }

  guardsOf(rule: RouteRule): RuleGuards {
    const known = this.#guards.get(rule);
    if (known !== undefined) return known;
    const guards = this.#resolve(rule);
    this.#guards.set(rule, guards);
    return guards;
  }

  /** States take the numbers of these routes; those of none of them go. */
  follow(routes: Iterable<RouteEntry>): void {
    const { breakers, gates, rates, faults } = partsOf(routes);
    this.#breakers.follow(breakers);
    this.#gates.follow(gates);
    this.#rates.follow(rates);
    this.#faultEnds.follow(faults);
  }

  #resolve({ breaker, concurrency, collapsing, rateLimits = [], faults = [] }: RouteRule): RuleGuards {
    const places =
      concurrency === undefined
        ? undefined
        : { part: concurrency, state: this.#gates.of(concurrency.scope, concurrency) };
    const rates: Guard<RateLimit, RateLimiter>[] = rateLimits.map((part, index) => {
      return { part, state: this.#rates.of(rateKey(part, index), part) };
    });
    return {
      rates,
      faults: faults.map((fault, index) => ({
        ...fault,
        untilMs: this.#faultEnds.of(faultKey(fault, index), fault),
      })),
      ...(breaker === undefined
        ? {}
        : { breaker: { part: breaker, state: this.#breakers.of(breaker.scope, breaker) } }),
      ...(places === undefined ? {} : collapsing === undefined ? { concurrency: places } : { places }),
    };
  }

  #faultEnd({ untilMs }: Fault): number {
    const { clock, onLimit } = this.#options;
    const latestMs = clock.nowMs() + protectLimits.faultMs;
    if (untilMs <= latestMs) return untilMs;
    onLimit("faultMs");
    return latestMs;
  }

  #changed(created: PolicyPart, { state, requests, errors }: CircuitTransition): void {
    const { log, onTransition } = this.#options;
    const { scope } = created;
    const { policy } = this.#breakers.partOf(scope) ?? created;
    onTransition({ policy, scope, state });
    const facts = { event: "circuit", policy, scope, state };
    if (state === "open") log.warn({ ...facts, requests, errors }, "Circuit opened: requests are refused for a while");
    else if (state === "half-open")
      log.info(facts, "Circuit is half open: some requests find out whether it is better");
    else log.info(facts, "Circuit closed: requests are let through");
  }
}

function readingsOf<P extends PolicyPart, S, R>(
  states: ScopedStates<P, S>,
  scopes: ReadonlySet<string>,
  read: (state: S, part: P) => R,
): (R & { readonly scope: string })[] {
  return [...states.all()]
    .filter(({ part }) => scopes.has(part.scope))
    .map(({ part, state }) => ({ scope: part.scope, ...read(state, part) }));
}

function partsOf(routes: Iterable<RouteEntry>): Parts {
  const parts: Parts = { breakers: new Map(), gates: new Map(), rates: new Map(), faults: new Map() };
  for (const { rules } of routes) {
    for (const { breaker, concurrency, rateLimits = [], faults = [] } of rules) {
      if (breaker !== undefined) parts.breakers.set(breaker.scope, breaker);
      if (concurrency !== undefined) parts.gates.set(concurrency.scope, concurrency);
      for (const [index, rate] of rateLimits.entries()) parts.rates.set(rateKey(rate, index), rate);
      for (const [index, fault] of faults.entries()) parts.faults.set(faultKey(fault, index), fault);
    }
  }
  return parts;
}

/** Buckets of one value are not those of another: whatever else changes about a limit, they stay. */
function rateKey({ scope, by }: RateLimit, index: number): string {
  return `${scope} ${index} ${JSON.stringify(by)}`;
}

/** With another end it is another fault. */
function faultKey({ scope, untilMs }: Fault, index: number): string {
  return `${scope} ${index} ${untilMs}`;
}
