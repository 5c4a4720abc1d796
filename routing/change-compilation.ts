/**
 * Takes what became of one state of the documents to the next state:
 *
 *   Node --networks--> all Nodes, in a cheap pass
 *    \---name--> its pods
 *   namespace --label--> its pods
 *   Service --selector, while it has no slices--> pods
 *    \---> its entry, its slices, and the routes and policies that have looked it up (attachments.ts)
 *   slice --> its Service
 *   policy --> its Service, and what the Service's slices make of it
 *   route, policy, Subset, RequestMatch --> the routes that have looked it up
 *   addresses of all of these --> who wants the same ones, and Services whose slices name them
 *
 * It gives up where more than that may be concerned, and the whole is compiled then: the Mesh is everybody's defaults, and
 * which of two documents with one name holds is found out with all of them at hand.
 */
import type { Document, NodeDocument, PodDocument, ServiceDocument } from "../protocol/documents/document.ts";
import type { RouteEntry } from "../protocol/route-table.ts";
import type { EndpointEntry, NodeEntry, ServiceEntry, WorkloadEntry } from "../protocol/table.ts";
import type { WantedAddress } from "./address-claims.ts";
import { isAttachment } from "./attachments.ts";
import { type Compilation, meshLabel } from "./compile.ts";
import { ServiceSelectors } from "./compile-endpoints.ts";
import { compilePod, type PodPart, podKey } from "./compile-pod.ts";
import { documentName } from "./compile-problems.ts";
import { compileService, isPlaced, isRouted, serviceAddresses, serviceKey } from "./compile-services.ts";
import { podAddresses } from "./compile-workloads.ts";
import { isKind } from "./is-kind.ts";

export interface DocumentDifference {
  readonly removed: readonly Document[];
  readonly added: readonly Document[];
}

export interface EntryChanges {
  /** All of them. */
  readonly nodes: readonly NodeEntry[];
  readonly workloads: readonly WorkloadEntry[];
  readonly removedWorkloads: ReadonlySet<string>;
  readonly services: readonly ServiceEntry[];
  readonly removedServices: ReadonlySet<string>;
  readonly endpoints: readonly EndpointEntry[];
  readonly removedEndpoints: ReadonlySet<string>;
  /** All of them. */
  readonly routes: readonly RouteEntry[];
}

/** Brings the compilation to the new state, but for its contents. Undefined: it gave up, and the compilation is of no more use. */
export function changeCompilation(compilation: Compilation, difference: DocumentDifference): EntryChanges | undefined {
  return new CompilationChange(compilation).make(difference);
}

const isNode = isKind("Node");

type Claimant = NodeDocument | PodDocument | ServiceDocument;

class CompilationChange {
  readonly #compilation: Compilation;
  /** What pods were that are gone, or are compiled anew. */
  readonly #before: PodPart[] = [];
  readonly #pods = new Set<PodDocument>();
  readonly #services = new Set<ServiceDocument>();
  readonly #removedServices = new Set<string>();
  /** Keys of the Services whose endpoints are compiled, as far as they are by slices. */
  readonly #sliced = new Set<string>();
  #isAttachedAnew = false;

  constructor(compilation: Compilation) {
    this.#compilation = compilation;
  }

  make({ removed, added }: DocumentDifference): EntryChanges | undefined {
    if ([...removed, ...added].some(({ kind }) => kind === "Mesh")) return undefined;
    for (const document of removed) this.#remove(document);
    const nodes = this.#replaceNodes(removed.filter(isNode), added.filter(isNode));
    for (const document of added) if (!this.#add(document)) return undefined;
    if (this.#isAttachedAnew) this.#compileAttachments();
    const services = this.#compileServices();
    this.#judgeSelectors();
    const pods = this.#compilePods();
    const slices = [...this.#sliced].map((service) => this.#compilation.slices.compile(service));
    return {
      nodes,
      workloads: pods.map((part) => part.entry).filter((entry) => entry !== undefined),
      removedWorkloads: new Set(this.#before.map((part) => part.entry?.uid).filter((uid) => uid !== undefined)),
      services,
      removedServices: this.#removedServices,
      endpoints: [...pods.flatMap((part) => part.endpoints), ...slices.flatMap(({ upserts }) => upserts)],
      removedEndpoints: new Set([
        ...this.#before.flatMap((part) => part.endpoints).map((endpoint) => endpoint.key),
        ...slices.flatMap(({ removals }) => removals),
      ]),
      routes: this.#compilation.attachments.routes,
    };
  }

  #remove(document: Document): void {
    const { pods, services, slices, attachments, names } = this.#compilation;
    names.delete(documentName(document));
    if (isAttachment(document)) {
      attachments.remove(document);
      this.#isAttachedAnew = true;
    }
    if (document.kind === "EndpointSlice") this.#sliceChanged(slices.remove(document));
    else if (document.kind === "Namespace") this.#relabel(document.metadata.name, undefined);
    else if (document.kind === "Service" && isRouted(document)) {
      services.delete(serviceKey(document));
      this.#services.delete(document);
      this.#removedServices.add(serviceKey(document));
      this.#sliced.add(serviceKey(document));
      this.#unclaim(document);
    } else if (document.kind === "Pod") {
      const part = pods.get(podKey(document));
      if (part !== undefined) this.#before.push(part);
      pods.delete(podKey(document));
      this.#pods.delete(document);
      this.#unclaim(document);
    }
  }

  /** False: there is one of its name. */
  #add(document: Document): boolean {
    const { slices, attachments, names } = this.#compilation;
    const name = documentName(document);
    if (names.has(name)) return false;
    names.add(name);
    if (isAttachment(document)) {
      attachments.add(document);
      this.#isAttachedAnew = true;
    }
    if (document.kind === "EndpointSlice") this.#sliceChanged(slices.add(document));
    else if (document.kind === "Namespace") this.#relabel(document.metadata.name, meshLabel(document));
    else if (document.kind === "Pod") {
      this.#pods.add(document);
      this.#claim(document);
    } else if (document.kind === "Service" && isRouted(document)) {
      this.#services.add(document);
      this.#sliced.add(serviceKey(document));
      this.#claim(document);
    }
    return true;
  }

  /** Between those that are gone and those that are new, whose addresses depend on which Nodes there are. */
  #replaceNodes(removed: readonly NodeDocument[], added: readonly NodeDocument[]): readonly NodeEntry[] {
    const { agentNodes, claims, contents, nodes, pods, slices } = this.#compilation;
    if (removed.length + added.length === 0) return contents.nodes;
    const names = new Set([...removed, ...added].map(({ metadata }) => metadata.name));
    // Those that are on no Node are told which ones there are.
    const concerned = [...pods.values()]
      .map(({ document }) => document)
      .filter(({ spec: { nodeName } }) => nodeName !== undefined && (names.has(nodeName) || !nodes.has(nodeName)));
    for (const document of [...concerned, ...nodes.documents()]) this.#unclaim(document);
    for (const node of removed) nodes.remove(node);
    for (const node of added) nodes.add(node);
    for (const document of [...concerned, ...nodes.documents()]) this.#claim(document);
    for (const pod of concerned) this.#pods.add(pod);
    // Nobody's address may be one of a pod that is not known yet now, or the other way round.
    for (const address of slices.addresses()) if (claims.owner(address) === undefined) this.#ownerChanged(address);
    return nodes.compile(agentNodes, claims);
  }

  #claim(document: Claimant): void {
    const wanted = this.#wanted(document);
    this.#compilation.claims.add(document, wanted);
    for (const { address } of wanted) this.#ownerChanged(address);
  }

  #unclaim(document: Claimant): void {
    const wanted = this.#wanted(document);
    this.#compilation.claims.remove(document, wanted);
    for (const { address } of wanted) this.#ownerChanged(address);
  }

  #wanted(document: Claimant): readonly WantedAddress[] {
    if (document.kind === "Node") return this.#compilation.nodes.addressesOf(document);
    return document.kind === "Pod" ? podAddresses(document, this.#compilation.facts) : serviceAddresses(document);
  }

  /** Who wants the address may have lost it, or have it now. Nodes lose one to Nodes only, and are compiled together. */
  #ownerChanged(address: string): void {
    const { claims, slices } = this.#compilation;
    for (const claimant of claims.claimants(address)) {
      if (claimant.kind === "Pod") this.#pods.add(claimant);
      else if (claimant.kind === "Service") this.#services.add(claimant);
    }
    for (const service of slices.servicesOf(address)) this.#sliced.add(service);
  }

  #sliceChanged(service: string | undefined): void {
    if (service !== undefined) this.#sliced.add(service);
  }

  #relabel(namespace: string, label: boolean | undefined): void {
    const { facts, pods } = this.#compilation;
    if (facts.labelledNamespaces.get(namespace) === label) return;
    if (label === undefined) facts.labelledNamespaces.delete(namespace);
    else facts.labelledNamespaces.set(namespace, label);
    for (const { document } of pods.values()) if (document.metadata.namespace === namespace) this.#pods.add(document);
  }

  /** Services that have another policy are compiled, with their slices where the policy says which endpoints are preferred. */
  #compileAttachments(): void {
    const { attachments, services, slices } = this.#compilation;
    const before = attachments.policies;
    attachments.compile();
    const after = attachments.policies;
    for (const key of new Set([...before.keys(), ...after.keys()])) {
      if (before.get(key) === after.get(key)) continue;
      if (slices.place(key, isPlaced(after.get(key)))) this.#sliced.add(key);
      const service = services.get(key);
      if (service !== undefined) this.#services.add(service.document);
    }
  }

  #compileServices(): readonly ServiceEntry[] {
    const { attachments, claims, contents, services } = this.#compilation;
    const surroundings = { policies: attachments.policies, mesh: contents.mesh, claims };
    return [...this.#services].map((document) => {
      const part = compileService(document, surroundings);
      services.set(serviceKey(document), part);
      return part.entry;
    });
  }

  /** The selector of a Service counts while there are no slices of it. */
  #judgeSelectors(): void {
    const { pods, selectors, services, slices } = this.#compilation;
    const changed = new Set<string>();
    const fresh = new ServiceSelectors();
    for (const key of this.#sliced) {
      const document = slices.isLeftToSelector(key) ? services.get(key)?.document : undefined;
      if (!selectors.set(key, document)) continue;
      changed.add(key);
      fresh.set(key, document);
    }
    if (changed.size === 0) return;
    const isChanged = ({ service }: { readonly service: string }): boolean => changed.has(service);
    for (const { document, endpoints } of pods.values()) {
      if (endpoints.some(isChanged) || fresh.select(document)) this.#pods.add(document);
    }
  }

  #compilePods(): readonly PodPart[] {
    const { pods, slices } = this.#compilation;
    const fresh: PodPart[] = [];
    for (const document of this.#pods) {
      const known = pods.get(podKey(document));
      if (known !== undefined) this.#before.push(known);
      const part = compilePod(document, this.#compilation);
      pods.set(podKey(document), part);
      fresh.push(part);
    }
    for (const { entry } of [...this.#before, ...fresh]) {
      for (const address of entry?.addresses ?? []) {
        for (const service of slices.servicesOf(address)) this.#sliced.add(service);
      }
    }
    return fresh;
  }
}
