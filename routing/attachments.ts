/**
 * What is attached to Services: their policies, routes and policies of these, and what all of them refer to. Kept up to
 * date as a whole, of which only what a change concerns is compiled anew (RouteCompiler).
 */
import type { Document, ServiceDocument, TrafficPolicyDocument } from "../protocol/documents/document.ts";
import type { Problem } from "../protocol/documents/problem.ts";
import type { RouteEntry } from "../protocol/route-table.ts";
import { CompileProblems, documentName } from "./compile-problems.ts";
import { assignPolicies, isRouted, type Policies } from "./compile-services.ts";
import { RouteCompiler, routeInput } from "./http/compile-routes.ts";
import { isKind } from "./is-kind.ts";
import { SortedValues } from "./sorted-values.ts";

/** With the Services themselves. Nobody asks for grants: they are attachments that change nothing. */
export const isAttachment = isKind(
  "Service",
  "HTTPRoute",
  "GRPCRoute",
  "TrafficPolicy",
  "RequestMatch",
  "Subset",
  "ReferenceGrant",
);

export class Attachments {
  /** By `documentName`. Apart, as nearly all changes are to one of them only. */
  readonly #services = new SortedValues<ServiceDocument>();
  readonly #documents = new SortedValues<Document>();
  readonly #compiler = new RouteCompiler();
  #policies: Policies = new Map();
  #routes: readonly RouteEntry[] = [];
  #problems: readonly Problem[] = [];

  /** In force with the next compilation. */
  add(document: Document): void {
    if (document.kind === "Service") this.#services.set(documentName(document), document);
    else this.#documents.set(documentName(document), document);
  }

  remove(document: Document): void {
    const documents = document.kind === "Service" ? this.#services : this.#documents;
    documents.delete(documentName(document));
  }

  compile(): void {
    const services = [...this.#services.inOrder().values()];
    const documents = [...this.#documents.inOrder().values()];
    const problems = new CompileProblems();
    this.#policies = assignPolicies(services.filter(isRouted), documents.filter(isPolicyOfService), problems);
    const compiled = this.#compiler.compile(routeInput([...services, ...documents]));
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
