/**
 * What is attached to Services: their policies, routes and policies of these, and what all of them refer to. Kept up to
 * date as a whole, of which only what a change concerns is compiled anew (RouteCompiler).
 */
import type { Document, ServiceDocument, TrafficPolicyDocument } from "../protocol/documents/document.ts";
import type { Problem } from "../protocol/documents/problem.ts";
import type { RouteEntry } from "../protocol/route-table.ts";
import { compareText } from "./compare-text.ts";
import { CompileProblems, documentName } from "./compile-problems.ts";
import { assignPolicies, isRouted, type Policies } from "./compile-services.ts";
import { RouteCompiler, routeInput } from "./http/compile-routes.ts";
import { isKind } from "./is-kind.ts";

/** Nobody asks for grants: they are attachments that change nothing. */
export const ATTACHMENT_KINDS = [
  "HTTPRoute",
  "GRPCRoute",
  "TrafficPolicy",
  "RequestMatch",
  "Subset",
  "ReferenceGrant",
] as const;

export const isAttachment = isKind(...ATTACHMENT_KINDS);

export class Attachments {
  readonly #services: readonly ServiceDocument[];
  readonly #routedServices: readonly ServiceDocument[];
  /** By `documentName`. */
  readonly #documents = new Map<string, Document>();
  readonly #compiler = new RouteCompiler();
  #policies: Policies = new Map();
  #routes: readonly RouteEntry[] = [];
  #problems: readonly Problem[] = [];

  /** `services` in the order of their names: in their order they are told to persons. */
  constructor(services: readonly ServiceDocument[]) {
    this.#services = services;
    this.#routedServices = services.filter(isRouted);
  }

  /** In force with the next compilation. */
  add(document: Document): void {
    this.#documents.set(documentName(document), document);
  }

  remove(document: Document): void {
    this.#documents.delete(documentName(document));
  }

  compile(): void {
    const names = [...this.#documents].sort(([a], [b]) => compareText(a, b));
    const documents = names.map(([, document]) => document);
    const problems = new CompileProblems();
    this.#policies = assignPolicies(this.#routedServices, documents.filter(isPolicyOfService), problems);
    const compiled = this.#compiler.compile(routeInput([...this.#services, ...documents]));
    this.#routes = compiled.entries;
    this.#problems = [...problems.list, ...compiled.problems];
  }

  /** Of Services; those of their requests are in the routes. */
  get policies(): Policies {
    return this.#policies;
  }

  /** Sorted by key. */
  get routes(): readonly RouteEntry[] {
    return this.#routes;
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }
}

function isPolicyOfService(document: Document): document is TrafficPolicyDocument {
  return document.kind === "TrafficPolicy" && document.spec.targetRef.kind === "Service";
}
