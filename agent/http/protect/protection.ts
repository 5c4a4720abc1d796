/**
 * What TrafficPolicies say about load and failure, carried out for the requests of one data worker: asked between a decision
 * and its forwarding. A rule without such policies costs five comparisons.
 */
import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/log.ts";
import type { RequestSizes, RouteRule } from "../../../protocol/route-table.ts";
import type { RequestFacts } from "../../../routing/http/request-facts.ts";
import { requestValue } from "../../../routing/http/request-value.ts";
import { satisfiesCondition } from "../../../routing/http/satisfies-condition.ts";
import type { TableState } from "../../../routing/table-state.ts";
import type { WorkerQuotas } from "../../quota/worker-quotas.ts";
import type { WorkerMetrics } from "../../telemetry/worker-metrics.ts";
import type { AdmissionAsker, AdmissionGate, AdmissionRequest, Refusal } from "../admission.ts";
import type { RequestHead } from "../request-head.ts";
import { askRates } from "./ask-rates.ts";
import { type DrawnFaults, drawFaults } from "./draw-faults.ts";
import { ProtectedRequest } from "./protected-request.ts";
import type { ProtectionReading } from "./protection-reading.ts";
import { ProtectionStates } from "./protection-states.ts";
import { fieldsTooLarge, type ProtectionRefusal, quotaUsedUp, rateLimited, requestTooLarge } from "./refusals.ts";
import { isProtected, type RuleGuards } from "./rule-guards.ts";

export interface ProtectionOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: WorkerMetrics;
  /** In [0, 1). */
  readonly random: () => number;
  /** Data workers of the agent. */
  readonly workers: number;
  readonly quotas: Pick<WorkerQuotas, "admit">;
}

export class Protection implements AdmissionGate {
  readonly #options: ProtectionOptions;
  readonly #states: ProtectionStates;
  #followed = "";

  constructor(options: ProtectionOptions) {
    const { clock, log, metrics, workers } = options;
    this.#options = options;
    this.#states = new ProtectionStates({
      clock,
      log,
      workers,
      onLimit: (name) => metrics.limitHit(name),
      onTransition: (circuit) => metrics.circuitTransition(circuit),
    });
  }

  ask(request: AdmissionRequest, asker: AdmissionAsker): Refusal | ProtectedRequest | undefined {
    const { rule } = request.plan;
    if (rule === undefined || !isProtected(rule)) return undefined;
    const guards = this.#states.guardsOf(rule);
    const refusal =
      this.#sizeRefusal(rule.sizes, request.head) ??
      this.#rateRefusal(guards, request.request) ??
      this.#quotaRefusal(rule);
    if (refusal !== undefined) return this.#counted(refusal);
    const faults = this.#faults(guards, request.request);
    if (faults === undefined && guards.breaker === undefined && guards.concurrency === undefined) return undefined;
    const { clock, metrics } = this.#options;
    const protectedRequest = new ProtectedRequest({
      clock,
      guards,
      faults,
      asker,
      onRefused: (late) => this.#counted(late),
      onFault: (policy, fault) => metrics.fault(policy, fault),
    });
    const atOnce = protectedRequest.begin();
    return atOnce === undefined ? protectedRequest : this.#counted(atOnce);
  }

  /** For those that are asked further down. */
  guardsOf(rule: RouteRule): RuleGuards {
    return this.#states.guardsOf(rule);
  }

  /** Once a second or so: states follow the table, also without requests, and gauges say how they are. */
  report(table: TableState | undefined): void {
    const { metrics } = this.#options;
    if (table !== undefined) this.#follow(table);
    metrics.gauges.waitingRequests = this.#states.waiting;
    metrics.circuits = this.#states.circuits();
  }

  /** Of these scopes, for a person who asks. */
  read(scopes: readonly string[]): ProtectionReading {
    return this.#states.read(new Set(scopes));
  }

  #follow(table: TableState): void {
    const version = `${table.epoch} ${table.sequence}`;
    if (this.#states.size === 0 || version === this.#followed) return;
    this.#followed = version;
    this.#states.follow(table.routes());
  }

  #sizeRefusal(sizes: RequestSizes | undefined, head: RequestHead): ProtectionRefusal | undefined {
    if (sizes === undefined) return undefined;
    const { requestBytes = Infinity, requestHeaderBytes = Infinity } = sizes;
    if (requestHeaderBytes < Infinity && head.fields.writtenBytes > requestHeaderBytes) return fieldsTooLarge(sizes);
    return (head.length ?? 0) > requestBytes ? requestTooLarge(sizes) : undefined;
  }

  #rateRefusal({ rates }: RuleGuards, request: RequestFacts): ProtectionRefusal | undefined {
    if (rates.length === 0) return undefined;
    const nowMs = this.#options.clock.monotonicMs();
    const refused = askRates(rates, nowMs, (source) => requestValue(request, source));
    return refused === undefined ? undefined : rateLimited(refused.part, refused.waitMs);
  }

  /** After the limits of this agent, which are nobody else's. */
  #quotaRefusal({ quotas }: RouteRule): ProtectionRefusal | undefined {
    if (quotas === undefined) return undefined;
    const refused = this.#options.quotas.admit(quotas);
    return refused === undefined ? undefined : quotaUsedUp(refused.quota, refused.retryAfterMs);
  }

  #faults({ faults }: RuleGuards, request: RequestFacts): DrawnFaults | undefined {
    if (faults.length === 0) return undefined;
    const { clock, random } = this.#options;
    return drawFaults(faults, {
      nowMs: clock.nowMs(),
      random,
      isSatisfied: (condition) => satisfiesCondition(condition, request),
    });
  }

  #counted(refusal: ProtectionRefusal): ProtectionRefusal {
    this.#options.metrics.policyRefusal(refusal.policy, refusal.reason);
    return refusal;
  }
}
