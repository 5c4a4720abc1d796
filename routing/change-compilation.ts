/**
 * Takes what became of one state of the documents to the next state, where only namespaces, pods, EndpointSlices and what is
 * attached to Services are different:
 *
 *   namespace --label--> its pods
 *   pod --addresses--> pods that want the same ones
 *    \---addresses--> Services whose slices name them
 *   slice --> its Service
 *   policy --> its Service, and what the Service's slices make of it
 *   route, policy, Subset, RequestMatch --> the routes that have looked it up (attachments.ts)
 *
 * It gives up where more than that may be concerned, and the whole is compiled then.
 */
import type { Document, PodDocument } from "../protocol/documents/document.ts";
import type { RouteEntry } from "../protocol/route-table.ts";
import type { EndpointEntry, ServiceEntry, WorkloadEntry } from "../protocol/table.ts";
import { ATTACHMENT_KINDS, isAttachment } from "./attachments.ts";
import { type Compilation, meshLabel } from "./compile.ts";
import { compilePod, type PodPart, podKey } from "./compile-pod.ts";
import { CompileProblems, documentName } from "./compile-problems.ts";
import { compileServices, isPlaced } from "./compile-services.ts";
import { podAddresses } from "./compile-workloads.ts";
import { isKind } from "./is-kind.ts";

export interface DocumentDifference {
  readonly removed: readonly Document[];
  readonly added: readonly Document[];
}

export interface EntryChanges {
  readonly workloads: readonly WorkloadEntry[];
  readonly removedWorkloads: ReadonlySet<string>;
  readonly endpoints: readonly EndpointEntry[];
  readonly removedEndpoints: ReadonlySet<string>;
  readonly services: readonly ServiceEntry[];
  /** All of them. */
  readonly routes: readonly RouteEntry[];
}

/** All other kinds make everything be compiled. */
export const CHANGEABLE_KINDS = ["Pod", "EndpointSlice", "Namespace", ...ATTACHMENT_KINDS] as const;

const isChangeable = isKind(...CHANGEABLE_KINDS);

type Changeable = Extract<Document, { readonly kind: (typeof CHANGEABLE_KINDS)[number] }>;

/** Brings the compilation to the new state, but for its contents. Undefined: it gave up, and the compilation is of no more use. */
export function changeCompilation(compilation: Compilation, difference: DocumentDifference): EntryChanges | undefined {
  const { removed, added } = difference;
  if (!removed.every(isChangeable) || !added.every(isChangeable)) return undefined;
  return new CompilationChange(compilation).make(removed, added);
}

class CompilationChange {
  readonly #compilation: Compilation;
  /** What pods were that are gone, or are compiled anew. */
  readonly #before: PodPart[] = [];
  readonly #pods = new Set<PodDocument>();
  readonly #services = new Set<string>();
  #isAttachedAnew = false;

  constructor(compilation: Compilation) {
    this.#compilation = compilation;
  }

  make(removed: readonly Changeable[], added: readonly Changeable[]): EntryChanges | undefined {
    for (const document of removed) if (!this.#remove(document)) return undefined;
    for (const document of added) if (!this.#add(document)) return undefined;
    const entries = this.#isAttachedAnew ? this.#compileAttachments() : [];
    for (const service of this.#services) if (!this.#judgeSelector(service)) return undefined;
    const pods = this.#compilePods();
    const services = [...this.#services].map((service) => this.#compilation.slices.compile(service));
    return {
      workloads: pods.map((part) => part.entry).filter((entry) => entry !== undefined),
      removedWorkloads: new Set(this.#before.map((part) => part.entry?.uid).filter((uid) => uid !== undefined)),
      endpoints: [...pods.flatMap((part) => part.endpoints), ...services.flatMap((service) => service.upserts)],
      removedEndpoints: new Set([
        ...this.#before.flatMap((part) => part.endpoints).map((endpoint) => endpoint.key),
        ...services.flatMap((service) => service.removals),
      ]),
      services: entries,
      routes: this.#compilation.attachments.routes,
    };
  }

  /** False: give up. */
  #remove(document: Changeable): boolean {
    const { claims, facts, pods, slices, attachments, names } = this.#compilation;
    names.delete(documentName(document));
    if (isAttachment(document)) {
      attachments.remove(document);
      this.#isAttachedAnew = true;
      return true;
    }
    if (document.kind === "EndpointSlice") return this.#serviceChanged(slices.remove(document));
    if (document.kind === "Namespace") return this.#relabel(document.metadata.name, undefined);
    const part = pods.get(podKey(document));
    if (part !== undefined) this.#before.push(part);
    pods.delete(podKey(document));
    this.#pods.delete(document);
    const wanted = podAddresses(document, facts);
    claims.remove(document, wanted);
    return wanted.every(({ address }) => this.#contested(address));
  }

  #add(document: Changeable): boolean {
    const { claims, facts, slices, attachments, names } = this.#compilation;
    const name = documentName(document);
    if (names.has(name)) return false;
    names.add(name);
    if (isAttachment(document)) {
      attachments.add(document);
      this.#isAttachedAnew = true;
      return true;
    }
    if (document.kind === "EndpointSlice") return this.#serviceChanged(slices.add(document));
    if (document.kind === "Namespace") return this.#relabel(document.metadata.name, meshLabel(document));
    const wanted = podAddresses(document, facts);
    claims.add(document, wanted);
    this.#pods.add(document);
    return wanted.every(({ address }) => this.#contested(address));
  }

  /** Who wants an address may have lost it, or have it now. Nodes never lose one to a pod. */
  #contested(address: string): boolean {
    for (const claimant of this.#compilation.claims.claimants(address)) {
      if (claimant.kind === "Pod") this.#pods.add(claimant);
      else if (claimant.kind !== "Node") return false;
    }
    return true;
  }

  #serviceChanged(service: string | undefined): boolean {
    if (service !== undefined) this.#services.add(service);
    return true;
  }

  /** With its first slice, a Service's selector no longer counts. With its last one gone, it does again: give up. */
  #judgeSelector(service: string): boolean {
    const { slices, selectors, pods } = this.#compilation;
    if (slices.isLeftToSelector(service)) return selectors.has(service);
    if (!selectors.remove(service)) return true;
    for (const { document, endpoints } of pods.values()) {
      if (endpoints.some((endpoint) => endpoint.service === service)) this.#pods.add(document);
    }
    return true;
  }

  #relabel(namespace: string, label: boolean | undefined): boolean {
    const { facts, pods } = this.#compilation;
    if (facts.labelledNamespaces.get(namespace) === label) return true;
    if (label === undefined) facts.labelledNamespaces.delete(namespace);
    else facts.labelledNamespaces.set(namespace, label);
    for (const { document } of pods.values()) if (document.metadata.namespace === namespace) this.#pods.add(document);
    return true;
  }

  /** Gives the entries of the Services that have another policy. */
  #compileAttachments(): readonly ServiceEntry[] {
    const { attachments, services, slices, claims, contents } = this.#compilation;
    const before = attachments.policies;
    attachments.compile();
    const after = attachments.policies;
    const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
      (key) => before.get(key) !== after.get(key),
    );
    for (const service of changed) {
      if (slices.place(service, isPlaced(after.get(service)))) this.#services.add(service);
    }
    const documents = changed.map((key) => services.get(key)).filter((service) => service !== undefined);
    // No policy takes an address from a Service: what is wrong with these is known.
    return compileServices(documents, after, contents.mesh, claims, new CompileProblems());
  }

  #compilePods(): readonly PodPart[] {
    const { pods } = this.#compilation;
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
        for (const service of this.#compilation.slices.servicesOf(address)) this.#services.add(service);
      }
    }
    return fresh;
  }
}
