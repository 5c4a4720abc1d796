/**
 * What would become of one request, for a person: the same decision as an agent's, but with all that chance could make of
 * it, the places in the documents that led there, and the endpoints behind each backend.
 */
import type { Document, TrafficPolicyDocument } from "../../protocol/documents/document.ts";
import type { Position } from "../../protocol/documents/problem.ts";
import type { RouteTarget } from "../../protocol/route-table.ts";
import type { ServiceEntry, ServicePort, WorkloadEntry } from "../../protocol/table.ts";
import type { CheckedDocuments } from "../check-documents.ts";
import { chooseEndpoints, endpointsOfPort, type ServiceEndpoint } from "../service-endpoints.ts";
import { TableState } from "../table-state.ts";
import { isKind } from "../is-kind.ts";
import { decideRequest } from "./decide-request.ts";
import type { NotRouted, RequestDecision, RoutedBy } from "./request-decision.ts";
import type { RequestFacts, RequestHeaders } from "./request-facts.ts";
import type { RouteDocument } from "./route-parents.ts";
import { RouteIndex } from "./route-index.ts";

export interface RequestQuestion {
  readonly method: string;
  readonly authority: string;
  readonly target: string;
  readonly headers: RequestHeaders;
  /** Key and port of the Service that is dialled. */
  readonly service: string;
  readonly port: number;
  readonly namespace: string;
  /** The pod that asks; undefined when there are no pods. */
  readonly source: WorkloadEntry | undefined;
  /** Of its verified token. */
  readonly claims?: RequestFacts["claims"];
}

export interface Outcome {
  /** How much of equal requests, 0..1. */
  readonly share: number;
  readonly decision: RequestDecision;
  /** Behind which the endpoints are. */
  readonly service: ServiceEntry | undefined;
  /** Behind the backend, when the request is forwarded. */
  readonly endpoints: readonly ExplainedEndpoint[];
}

export interface ExplainedEndpoint
  extends Pick<ServiceEndpoint, "key" | "address" | "port" | "node" | "state" | "weight"> {
  /** Takes requests of this caller's node. */
  readonly chosen: boolean;
}

export interface Explanation {
  readonly question: RequestQuestion;
  readonly servicePort: ServicePort | undefined;
  readonly by: RoutedBy | undefined;
  /** Where in the documents the rule is. */
  readonly place: (Position & { readonly file: string }) | undefined;
  readonly outcomes: readonly Outcome[];
}

/** What is explained. Checked documents fit. */
export interface ExplainedWorld extends Pick<CheckedDocuments, "contents" | "routes"> {
  /** For the places of rules. */
  readonly documents?: readonly Document[];
}

export function explainRequest(world: ExplainedWorld, question: RequestQuestion): Explanation {
  const { contents, routes, documents = [] } = world;
  const table = new TableState({ ...contents, epoch: "explain", sequence: 1 });
  const explainer = new Explainer(table, new RouteIndex(routes), question);
  const outcomes = explainer.outcomes();
  const first = outcomes[0]?.decision;
  const by = first === undefined || first.kind === "not-routed" ? undefined : first.by;
  const document = by === undefined ? undefined : findDocument(documents, by);
  return {
    question,
    servicePort: table.service(question.service)?.ports.find(({ port }) => port === question.port),
    by,
    place: document === undefined ? undefined : placeOfRule(document, by?.rule.index ?? 0),
    outcomes,
  };
}

class Explainer {
  readonly #table: TableState;
  readonly #routes: RouteIndex;
  readonly #question: RequestQuestion;

  constructor(table: TableState, routes: RouteIndex, question: RequestQuestion) {
    this.#table = table;
    this.#routes = routes;
    this.#question = question;
  }

  /** One for each backend with a weight, when that is what chance decides. */
  outcomes(): readonly Outcome[] {
    const first = this.#decide(0);
    if (first.kind === "not-routed") return [this.#connection(first)];
    if (first.backend === undefined) return [{ share: 1, decision: first, service: undefined, endpoints: [] }];
    const weighty = (first.by?.rule.backends ?? []).filter(({ weight }) => weight > 0);
    const total = weighty.reduce((sum, { weight }) => sum + weight, 0);
    let passed = 0;
    return weighty.map(({ weight }) => {
      const decision = this.#decide((passed + weight / 2) / total);
      passed += weight;
      const backend = decision.kind === "forward" ? decision.backend : undefined;
      return {
        share: weight / total,
        decision,
        service: backend === undefined ? undefined : this.#table.service(backend.service),
        endpoints: backend === undefined ? [] : this.#endpoints(backend),
      };
    });
  }

  /** Among all endpoints of the Service, as bytes. */
  #connection(decision: NotRouted): Outcome {
    const { service, port } = this.#question;
    const endpoints = this.#endpoints({ service, port });
    return { share: 1, decision, service: this.#table.service(service), endpoints };
  }

  #decide(random: number): RequestDecision {
    const { namespace, headers, source, ...request } = this.#question;
    const facts: RequestFacts = {
      ...request,
      source: source ?? { namespace },
      identity: source === undefined ? undefined : this.#table.identityOf(source),
      scheme: "http",
      headers,
      random,
      mirrorRandom: 0,
    };
    const hasEndpoints = (target: RouteTarget) => this.#endpoints(target).some(({ chosen }) => chosen);
    return decideRequest({ routes: this.#routes, hasEndpoints }, facts);
  }

  #endpoints(backend: RouteTarget): readonly ExplainedEndpoint[] {
    const service = this.#table.service(backend.service);
    const port = service?.ports.find((each) => each.port === backend.port && each.protocol === "TCP");
    if (service === undefined || port === undefined) return [];
    return ([4, 6] as const).flatMap((family) => {
      const about = { service, port, family, ...(backend.subset === undefined ? {} : { subset: backend.subset }) };
      const all = endpointsOfPort(this.#table, about);
      const node = this.#question.source?.node ?? "";
      const chosen = new Set(chooseEndpoints(this.#table, node, about).chosen.map(({ key }) => key));
      return all.map(({ key, address, port: target, node: at, state, weight }) => {
        return { key, address, port: target, node: at, state, weight, chosen: chosen.has(key) };
      });
    });
  }
}

type RulesDocument = RouteDocument | TrafficPolicyDocument;

function findDocument(documents: readonly Document[], { kind, rule }: RoutedBy): RulesDocument | undefined {
  return documents
    .filter(isKind("HTTPRoute", "GRPCRoute", "TrafficPolicy"))
    .find((document) => document.kind === kind && keyOf(document) === rule.route);
}

function keyOf({ metadata }: RulesDocument): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function placeOfRule({ kind, source }: RulesDocument, index: number): Explanation["place"] {
  return { file: source.file, ...source.locate(kind === "TrafficPolicy" ? ["spec"] : ["spec", "rules", index]) };
}
