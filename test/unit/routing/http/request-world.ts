/** Documents and requests for tests of HTTP routing: routes as YAML in, decisions out, with the real parser and compiler. */
import type { Document } from "../../../../protocol/documents/document.ts";
import { parseDocuments } from "../../../../protocol/documents/parse-documents.ts";
import { formatProblem } from "../../../../protocol/documents/problem.ts";
import { compileRoutes, routeInput } from "../../../../routing/http/compile-routes.ts";
import { decideRequest } from "../../../../routing/http/decide-request.ts";
import type { RequestDecision } from "../../../../routing/http/request-decision.ts";
import { RouteIndex } from "../../../../routing/http/route-index.ts";

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Namespace of the caller. */
  readonly from?: string;
  readonly identity?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Host or :authority when it is not the URL's. */
  readonly authority?: string;
  /** When it is no path. */
  readonly target?: string;
  readonly random?: number;
  readonly mirrorRandom?: number;
}

interface WorldOptions {
  /** `namespace/name`s of Services behind which there is nothing. */
  readonly empty?: readonly string[];
  readonly requireGrants?: boolean;
}

/** A Service with a port; `name` may have a namespace (`shop/catalog`). */
export function service(name: string, port = 80, spec = ""): string {
  const [namespace, local] = name.includes("/") ? name.split("/") : ["shop", name];
  return `
apiVersion: v1
kind: Service
metadata: { name: ${local}, namespace: ${namespace} }
spec: { ports: [{ name: http, port: ${port} }] ${spec === "" ? "" : `, ${spec}`} }
---
`;
}

/** A route in namespace shop for Service catalog; `spec` is indented by two spaces. */
export function route(spec: string, name = "catalog", kind = "HTTPRoute", metadata = ""): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: shop${metadata} }
spec:
  parentRefs: [{ group: "", kind: Service, name: catalog }]
${spec.replace(/^\n+|\s+$/g, "")}
---
`;
}

export class RequestWorld {
  readonly entries;
  readonly statuses;
  /** What the parser and the compiler have to say. */
  readonly told: readonly string[];
  readonly #routes: RouteIndex;
  readonly #empty: ReadonlySet<string>;

  constructor(text: string, { empty = [], requireGrants = false }: WorldOptions = {}) {
    const { documents, problems } = parseDocuments(text, "test.yaml");
    const input = {
      ...routeInput(documents),
      ...(requireGrants ? { grants: documents.filter(isKind("ReferenceGrant")) } : {}),
    };
    const { entries, statuses, problems: found } = compileRoutes(input);
    this.entries = entries;
    this.statuses = statuses;
    this.told = [...problems, ...found].map(formatProblem);
    // As they travel.
    this.#routes = new RouteIndex(JSON.parse(JSON.stringify(entries)) as typeof entries);
    this.#empty = new Set(empty);
  }

  /** `url` is what a caller in namespace shop writes: `http://catalog/items`, `http://catalog.other:8080/`. */
  decide(url: string, options: RequestOptions = {}): RequestDecision {
    const [, authority = "", target = ""] = /^http:\/\/([^/?]+)(.*)$/.exec(url) ?? [];
    const [host = "", port = "80"] = authority.split(":");
    const [name = "", namespace = "shop"] = host.split(".");
    const headers = Object.entries(options.headers ?? {}).map(([key, value]) => [key.toLowerCase(), value] as const);
    return decideRequest(
      { routes: this.#routes, hasEndpoints: ({ service }) => !this.#empty.has(service) },
      {
        source: { namespace: options.from ?? "shop" },
        identity: options.identity,
        ...(options.claims === undefined ? {} : { claims: options.claims }),
        service: `${namespace}/${name}`,
        port: Number(port),
        scheme: "http",
        method: options.method ?? "GET",
        target: options.target ?? (target === "" ? "/" : target),
        authority: options.authority ?? authority,
        headers: new Map(headers),
        random: options.random ?? 0,
        mirrorRandom: options.mirrorRandom ?? 0,
      },
    );
  }

  /** Where a request goes: name of the backend's Service, or the status of the answer. */
  ask(url: string, options: RequestOptions = {}): string {
    const decision = this.decide(url, options);
    if (decision.kind === "not-routed") return "not routed";
    return decision.kind === "forward" ? (decision.backend.service.split("/")[1] ?? "") : String(decision.status);
  }
}

function isKind<K extends Document["kind"]>(kind: K) {
  return (document: Document): document is Extract<Document, { kind: K }> => document.kind === kind;
}
