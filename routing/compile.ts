/**
 * Documents -> the contents of the routing table, and what is wrong with the documents as a whole. For the controller,
 * and for whoever wants to try a change before it is made.
 *
 *   duplicates -> Mesh -> Nodes -> Pods -> Services + TrafficPolicies -> endpoints
 *
 * Contents are given even with problems, without what is wrong: it is the caller who decides whether they may be used.
 * Equal documents in any order of files give equal contents, sorted by key.
 */
import type { Document, DocumentKind } from "../protocol/documents/document.ts";
import type { Problem } from "../protocol/documents/problem.ts";
import type { EndpointEntry, TableSnapshot } from "../protocol/table.ts";
import { AddressClaims } from "./address-claims.ts";
import { ServiceSelectors } from "./compile-endpoints.ts";
import { compileMesh } from "./compile-mesh.ts";
import { compileNodes } from "./compile-nodes.ts";
import { CompileProblems, placeOfDocument } from "./compile-problems.ts";
import { compileServices } from "./compile-services.ts";
import { type CompiledPod, compileWorkloads, type WorkloadFacts } from "./compile-workloads.ts";
import { compareText } from "./compare-text.ts";
import { policiesInForce } from "./http/not-in-force.ts";

/** A table that has no number yet. */
export type TableContents = Omit<TableSnapshot, "epoch" | "sequence">;

export interface CompileInput {
  readonly documents: readonly Document[];
  /** Names of the nodes that an agent serves. */
  readonly agentNodes: ReadonlySet<string>;
  /** Used when the Mesh document names none. */
  readonly trustDomain?: string;
}

export interface CompileResult {
  readonly contents: TableContents;
  readonly problems: readonly Problem[];
}

/** A pod with what it is behind which Service. */
export interface SelectedPod extends CompiledPod {
  readonly endpoints: readonly EndpointEntry[];
}

/** What a compilation leaves for the next one to go on from. */
export interface Compilation extends CompileResult {
  readonly claims: AddressClaims;
  readonly facts: WorkloadFacts;
  readonly pods: readonly SelectedPod[];
  readonly selectors: ServiceSelectors;
}

export function compileTable(input: CompileInput): CompileResult {
  const { contents, problems } = compileAll(input);
  return { contents, problems };
}

export function compileAll({ documents, agentNodes, trustDomain }: CompileInput): Compilation {
  const problems = new CompileProblems();
  const claims = new AddressClaims();
  const unique = uniqueDocuments(documents, problems);
  const mesh = compileMesh(ofKind(unique, "Mesh"), trustDomain, problems);
  const nodes = compileNodes(ofKind(unique, "Node"), agentNodes, claims, problems);
  const facts: WorkloadFacts = {
    nodeNames: new Set(nodes.map((node) => node.name)),
    excludedNamespaces: new Set(mesh.exclude.namespaces),
  };
  const compiled = compileWorkloads(ofKind(unique, "Pod"), facts, claims, problems);
  const serviceDocuments = ofKind(unique, "Service");
  const services = compileServices(serviceDocuments, policiesInForce(unique, problems), mesh, claims, problems);
  const selectors = new ServiceSelectors(serviceDocuments);
  const pods = compiled.map((pod) => ({ ...pod, endpoints: selectors.endpointsOf(pod) }));
  const endpoints = pods.flatMap((pod) => pod.endpoints);
  const workloads = pods.map((pod) => pod.entry);
  const contents: TableContents = {
    mesh,
    nodes: sortBy(nodes, (node) => node.name),
    workloads: sortBy(workloads, (workload) => workload.uid),
    services: sortBy(services, (service) => service.key),
    endpoints: sortBy(endpoints, (endpoint) => endpoint.key),
  };
  return { contents, problems: problems.list, claims, facts, pods, selectors };
}

/** In an order of their own, so that it is the same one of two rivals that wins wherever they are written. */
function uniqueDocuments(documents: readonly Document[], problems: CompileProblems): readonly Document[] {
  const named = documents.map((document) => [documentName(document), document] as const);
  const unique = new Map<string, Document>();
  for (const [name, document] of named) {
    const first = unique.get(name);
    if (first === undefined) {
      unique.set(name, document);
      continue;
    }
    const message = `duplicate document, ${name} is already in ${placeOfDocument(first)}`;
    const about = { found: `${name} a second time`, expected: "every document once", message };
    problems.add(document, { code: "duplicate-document", path: [], ...about });
  }
  return [...unique].sort(([a], [b]) => compareText(a, b)).map(([, document]) => document);
}

function documentName({ kind, metadata }: Document): string {
  return "namespace" in metadata ? `${kind} ${metadata.namespace}/${metadata.name}` : `${kind} ${metadata.name}`;
}

function ofKind<K extends DocumentKind>(documents: readonly Document[], kind: K): Extract<Document, { kind: K }>[] {
  return documents.filter((document): document is Extract<Document, { kind: K }> => document.kind === kind);
}

function sortBy<T>(entries: readonly T[], key: (entry: T) => string): T[] {
  return [...entries].sort((a, b) => compareText(key(a), key(b)));
}
