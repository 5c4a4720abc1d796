/**
 * What the HTTP data plane asks about the requests of one connection. Whoever accepts connections asks for a router, and
 * hands those that have one to HTTP (`HttpRouterFor`); all others stay bytes.
 */
import type { EjectionSettings, LoadBalancerAlgorithm, ServiceEntry, WorkloadEntry } from "../../protocol/table.ts";
import type { RouteTarget, RulesKind, ValueSource } from "../../protocol/route-table.ts";
import type { AddressFamily } from "../../routing/address.ts";
import type { ChoiceSettings } from "../../routing/choice-settings.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import type { RequestDecision } from "../../routing/http/request-decision.ts";
import type { RequestFacts } from "../../routing/http/request-facts.ts";

/** The endpoints of a backend as they are now. */
export interface BackendEndpoints {
  readonly service: ServiceEntry;
  /** Whose statistics the balancer keeps: `shop/catalog:80`, with the name of the subset behind it. */
  readonly destination: string;
  /** The same array until something about the backend changes. Empty: no endpoint can take a request. */
  readonly candidates: readonly Candidate[];
  readonly loadBalancer: LoadBalancerAlgorithm;
  readonly ejection: EjectionSettings;
  /** With `loadBalancer: hash`. */
  readonly hash?: ValueSource;
  readonly choice?: ChoiceSettings;
  /** Why there is none to choose from. */
  readonly problem?: string;
}

/** For all connections of one source to one port of one Service. Its answers follow the table. */
export interface RequestRouter {
  /** Of the source, as its certificate has it; absent: not known. */
  readonly identity?: string | undefined;
  /** Of the routes that are in force there. */
  readonly kind?: RulesKind | undefined;
  /** Another object whenever equal requests may be decided otherwise. Absent: no decision may be used again. */
  readonly revision?: object | undefined;
  decide(facts: RequestFacts): RequestDecision;
  /** Undefined: there is no such Service. */
  endpoints(backend: RouteTarget): BackendEndpoints | undefined;
  /** All that can take requests of sessions; the same array until something about the backend changes. */
  sessionEndpoints(backend: RouteTarget): readonly Candidate[];
}

/** Undefined: what this pod sends to this port of this Service is not looked into. `family`: of the address it dialled. */
export type HttpRouterFor = (
  source: WorkloadEntry,
  service: string,
  port: number,
  family: AddressFamily,
) => RequestRouter | undefined;
