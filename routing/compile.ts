/**
 * Documents -> the contents of the routing table, and what is wrong with the documents as a whole. For the controller,
 * and for whoever wants to try a change before it is made.
 *
 *   duplicates -> Mesh -> addresses -> Nodes -> policies, routes -> Services -> Pods -> endpoints
 *
 * Contents are given even with problems, without what is wrong: it is the caller who decides whether they may be used.
 * Equal documents in any order of files give equal contents, sorted by key.
 */
import type { Document, DocumentKind, NamespaceDocument } from "../protocol/documents/document.ts";
import type { Problem } from "../protocol/documents/problem.ts";
import type { EndpointEntry, TableSnapshot } from "../protocol/table.ts";
import { AddressClaims } from "./address-claims.ts";
import { Attachments, isAttachment } from "./attachments.ts";
import { ServiceSelectors } from "./compile-endpoints.ts";
import { compileMesh } from "./compile-mesh.ts";
import { compilePod, type PodPart, podKey } from "./compile-pod.ts";
import { CompileProblems, documentName, type Judgement, placeOfDocument } from "./compile-problems.ts";
import {
  compileService,
  isPlaced,
  isRouted,
  type ServicePart,
  serviceAddresses,
  serviceKey,
} from "./compile-services.ts";
import type { AddressOwner } from "./compile-slices.ts";
import { podAddresses, type WorkloadFacts } from "./compile-workloads.ts";
import { compareText } from "./compare-text.ts";
import { KnownNodes } from "./known-nodes.ts";
import { SlicedServices } from "./sliced-services.ts";

/** A table that has no number yet. */
export type TableContents = Omit<TableSnapshot, "epoch" | "sequence">;

export interface CompileInput {
  readonly documents: readonly Document[];
  /** Names of the nodes that an agent serves. */
  readonly agentNodes: ReadonlySet<string>;
  /** Used when the Mesh document names none. */
  readonly trustDomain?: string;
  /** Outside the mesh besides those that the Mesh document names. */
  readonly excludedNamespaces?: readonly string[];
  /** "whole" when nothing is said. With "each", what is not there yet is no problem. */
  readonly judgement?: Judgement;
}

export interface CompileResult {
  readonly contents: TableContents;
  /** In the order of files. */
  readonly problems: readonly Problem[];
}

/** What a compilation leaves for the next one to go on from. */
export interface Compilation {
  readonly contents: TableContents;
  /** Of the documents as a whole and the Mesh; all others are with what they are about. */
  readonly problems: readonly Problem[];
  readonly claims: AddressClaims;
  readonly agentNodes: ReadonlySet<string>;
  readonly nodes: KnownNodes;
  readonly facts: WorkloadFacts & { readonly labelledNamespaces: Map<string, boolean> };
  /** By `namespace/name`, all of them. */
  readonly pods: Map<string, PodPart>;
  readonly selectors: ServiceSelectors;
  readonly slices: SlicedServices;
  /** By key; those that are routed. */
  readonly services: Map<string, ServicePart>;
  readonly attachments: Attachments;
  /** Of all documents, as `documentName` gives them. */
  readonly names: Set<string>;
  /** A document is there twice. */
  readonly hasRepeated: boolean;
}

export function compileTable(input: CompileInput): CompileResult {
  return resultOf(compileAll(input));
}

export function resultOf({ contents, problems, nodes, services, attachments, pods }: Compilation): CompileResult {
  const found = [...problems, ...nodes.problems, ...attachments.problems];
  for (const parts of [services, pods]) for (const part of parts.values()) found.push(...part.problems);
  return { contents, problems: found.sort((a, b) => byPlace(a, b) || compareText(a.message, b.message)) };
}

export function compileAll({ documents, agentNodes, judgement = "whole", ...surroundings }: CompileInput): Compilation {
  const problems = new CompileProblems();
  const unique = uniqueDocuments(documents, problems);
  const mesh = compileMesh(ofKind(unique, "Mesh"), surroundings, problems);
  const podDocuments = ofKind(unique, "Pod");
  const serviceDocuments = ofKind(unique, "Service").filter(isRouted);
  const nodes = new KnownNodes();
  for (const node of ofKind(unique, "Node")) nodes.add(node);
  const facts = {
    judgement,
    nodes,
    excludedNamespaces: new Set(mesh.exclude.namespaces),
    labelledNamespaces: labelledNamespaces(ofKind(unique, "Namespace")),
  };
  const claims = new AddressClaims(judgement);
  for (const node of nodes.documents()) claims.add(node, nodes.addressesOf(node));
  for (const pod of podDocuments) claims.add(pod, podAddresses(pod, facts));
  for (const service of serviceDocuments) claims.add(service, serviceAddresses(service));
  const attachments = attach(unique);
  const { policies } = attachments;
  const services = new Map<string, ServicePart>();
  for (const service of serviceDocuments) {
    services.set(serviceKey(service), compileService(service, { policies, mesh, claims }));
  }

  const pods = new Map<string, PodPart>();
  const slices = new SlicedServices({ services, ownerOf: ownerOf(claims, pods, nodes) });
  for (const [service, policy] of policies) slices.place(service, isPlaced(policy));
  for (const slice of ofKind(unique, "EndpointSlice")) slices.add(slice);
  const selectors = new ServiceSelectors();
  for (const [key, { document }] of services) if (slices.isLeftToSelector(key)) selectors.set(key, document);
  for (const pod of podDocuments) pods.set(podKey(pod), compilePod(pod, { facts, claims, selectors }));
  const parts = [...pods.values()];
  const workloads = parts.map((part) => part.entry).filter((entry) => entry !== undefined);
  const endpoints: EndpointEntry[] = [...parts.flatMap((part) => part.endpoints), ...slices.compileAll()];
  const contents: TableContents = {
    mesh,
    nodes: nodes.compile(agentNodes, claims),
    workloads: sortBy(workloads, (workload) => workload.uid),
    services: sortBy(
      [...services.values()].map(({ entry }) => entry),
      (service) => service.key,
    ),
    endpoints: sortBy(endpoints, (endpoint) => endpoint.key),
    routes: attachments.routes,
  };
  return {
    contents,
    problems: problems.list,
    claims,
    agentNodes: new Set(agentNodes),
    nodes,
    facts,
    pods,
    selectors,
    slices,
    services,
    attachments,
    names: new Set(unique.map(documentName)),
    hasRepeated: unique.length < documents.length,
  };
}

function attach(unique: readonly Document[]): Attachments {
  const attachments = new Attachments();
  for (const document of unique) if (isAttachment(document)) attachments.add(document);
  attachments.compile();
  return attachments;
}

/** True: its pods are in the mesh; undefined: it has no label that says so. */
export function meshLabel({ metadata }: NamespaceDocument): boolean | undefined {
  const wish = metadata.labels["hawser.dev/mesh"];
  return wish === undefined ? undefined : wish === "enabled";
}

function labelledNamespaces(documents: readonly NamespaceDocument[]): Map<string, boolean> {
  const labelled = new Map<string, boolean>();
  for (const document of documents) {
    const label = meshLabel(document);
    if (label !== undefined) labelled.set(document.metadata.name, label);
  }
  return labelled;
}

/** What is among the pods' addresses and of no known pod will be a pod's; what is a Service's is no endpoint. */
function ownerOf(
  claims: AddressClaims,
  pods: ReadonlyMap<string, PodPart>,
  nodes: KnownNodes,
): (address: string) => AddressOwner {
  return (address) => {
    const owner = claims.owner(address);
    if (owner === undefined) return nodes.isOfPods(address) ? "other" : "nobody";
    if (owner.kind === "Node") return "node";
    const part = owner.kind === "Pod" ? pods.get(podKey(owner)) : undefined;
    return part?.entry === undefined ? "other" : { entry: part.entry, document: part.document };
  };
}

/** In an order of their own, so that it is the same one of two rivals that wins wherever they are written. */
function uniqueDocuments(documents: readonly Document[], problems: CompileProblems): readonly Document[] {
  const all = new Map<string, Document>();
  for (const document of documents) {
    const name = documentName(document);
    const other = all.get(name);
    if (other === undefined) {
      all.set(name, document);
      continue;
    }
    const [first, second] = byPlace(other.source, document.source) <= 0 ? [other, document] : [document, other];
    all.set(name, first);
    const message = `duplicate document, ${name} is already in ${placeOfDocument(first)}`;
    const about = { found: `${name} a second time`, expected: "every document once", message };
    problems.add(second, { code: "duplicate-document", path: [], ...about });
  }
  return [...all].sort(([a], [b]) => compareText(a, b)).map(([, document]) => document);
}

interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

function byPlace(a: Place, b: Place): number {
  return compareText(a.file, b.file) || a.line - b.line || a.column - b.column;
}

function ofKind<K extends DocumentKind>(documents: readonly Document[], kind: K): Extract<Document, { kind: K }>[] {
  return documents.filter((document): document is Extract<Document, { kind: K }> => document.kind === kind);
}

function sortBy<T>(entries: readonly T[], key: (entry: T) => string): T[] {
  return [...entries].sort((a, b) => compareText(key(a), key(b)));
}
