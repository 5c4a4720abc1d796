/**
 * What the requests of one client's connection had in common with the ones before: label sets and what reaching an
 * endpoint takes, made once instead of for every request. Right whenever it is asked, because it is found by the very
 * objects of the table that it was made from; what a newer table has in their place is another object.
 */
import type { RouteRule } from "../../protocol/route-table.ts";
import type { ServiceEntry, WorkloadEntry } from "../../protocol/table.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import type { TableState } from "../../routing/table-state.ts";
import type { RequestLabels } from "../telemetry/metrics-batch.ts";
import { withOwnFields } from "./fields.ts";
import type { ForwardPlan } from "./forward-plan.ts";
import type { HttpSource } from "./http-plane.ts";
import { httpLimits } from "./limits.ts";
import { isProtected } from "./protect/rule-guards.ts";
import type { RequestHead } from "./request-head.ts";
import type { RequestRouter } from "./request-router.ts";
import type { UpstreamTarget } from "./upstream/dial-upstream.ts";

/** What a request leads to, when nothing but its head and the table has a say. */
export interface KnownRequest {
  readonly plan: ForwardPlan;
  /** As filters change it, without an id. Shared: who uses it takes fields of its own. */
  readonly changed: RequestHead;
}

interface Remembered extends KnownRequest {
  readonly repeats: object;
  readonly revision: object;
}

interface Labelled {
  readonly rule: RouteRule | undefined;
  readonly backend: string | undefined;
  readonly labels: RequestLabels;
}

export class RequestMemory {
  readonly #source: HttpSource;
  /** `namespace/name` that was dialled. */
  readonly #service: string;
  /** When the connection was accepted. */
  readonly #table: TableState;
  readonly #targets = new Map<Candidate, UpstreamTarget>();
  /** Of the last request: a connection's requests are mostly of one kind. */
  #last: Labelled | undefined;
  #known: Remembered | undefined;

  constructor(source: HttpSource, service: string, table: TableState) {
    this.#source = source;
    this.#service = service;
    this.#table = table;
  }

  labels(rule: RouteRule | undefined, backend: string | undefined): RequestLabels {
    const last = this.#last;
    if (last !== undefined && last.rule === rule && last.backend === backend) return last.labels;
    const { workload, namespace } = this.#source.workload;
    const labels = {
      sourceWorkload: workload,
      sourceNamespace: namespace,
      destinationService: this.#service,
      route: nameOf(rule) ?? "",
      backend: backend ?? "",
    };
    this.#last = { rule, backend, labels };
    return labels;
  }

  /** Undefined: it is to be decided. */
  recall({ repeats }: RequestHead, router: RequestRouter): KnownRequest | undefined {
    const known = this.#known;
    return repeats !== undefined && known?.repeats === repeats && known.revision === router.revision
      ? known
      : undefined;
  }

  /**
   * Chance had no say in it. A session may end, and policies are asked about each request: rules with them are decided anew.
   * Only of a head that comes again.
   */
  remember({ repeats }: RequestHead, { revision }: RequestRouter, plan: ForwardPlan, changed: RequestHead): void {
    if (repeats === undefined || revision === undefined) return;
    const { rule } = plan;
    if (rule === undefined || rule.session !== undefined || isProtected(rule)) return;
    this.#known = { repeats, revision, plan, changed: withOwnFields(changed) };
  }

  /** `version`: of HTTP, that is spoken with the endpoint. */
  target(version: 1 | 2, candidate: Candidate, service: ServiceEntry, connectMs: number | undefined): UpstreamTarget {
    const known = this.#targets.get(candidate);
    const isSame = known?.service === service && known.connectMs === connectMs && known.version === version;
    if (known !== undefined && isSame) return known;
    const target = this.#makeTarget(version, candidate, service, connectMs);
    if (this.#targets.size >= httpLimits.rememberedTargets) this.#targets.clear();
    this.#targets.set(candidate, target);
    return target;
  }

  #makeTarget(
    version: 1 | 2,
    candidate: Candidate,
    service: ServiceEntry,
    connectMs: number | undefined,
  ): UpstreamTarget {
    const source = this.#source;
    const sourceIdentity = this.#table.identityOf(source.workload);
    const destinationIdentity = this.#identityOf(candidate.workload);
    const { key, address, transport } = candidate;
    const poolKey = `${source.address}|${key}|${address}|${transport}|${sourceIdentity}|${destinationIdentity}`;
    return { version, candidate, source, service, sourceIdentity, destinationIdentity, connectMs, poolKey };
  }

  #identityOf(workload: WorkloadEntry | undefined): string | undefined {
    return workload === undefined ? undefined : this.#table.identityOf(workload);
  }
}

/** `namespace/name rule`. */
export function nameOf(rule: RouteRule | undefined): string | undefined {
  return rule === undefined ? undefined : `${rule.route} ${rule.name ?? rule.index}`;
}
