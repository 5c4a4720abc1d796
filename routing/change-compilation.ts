/**
 * Takes what became of one state of the documents to the next state, where only namespaces, pods and EndpointSlices
 * are different:
 *
 *   namespace --label--> its pods
 *   pod --addresses--> pods that want the same ones
 *    \---addresses--> Services whose slices name them
 *   slice --> its Service
 *
 * It gives up where more than that may be concerned, and the whole is compiled then.
 */
import type {
  Document,
  EndpointSliceDocument,
  NamespaceDocument,
  PodDocument,
} from "../protocol/documents/document.ts";
import type { EndpointEntry, WorkloadEntry } from "../protocol/table.ts";
import { type Compilation, meshLabel } from "./compile.ts";
import { compilePod, type PodPart, podKey } from "./compile-pod.ts";
import { documentName } from "./compile-problems.ts";
import { podAddresses } from "./compile-workloads.ts";

export interface DocumentDifference {
  readonly removed: readonly Document[];
  readonly added: readonly Document[];
}

export interface EntryChanges {
  readonly workloads: readonly WorkloadEntry[];
  readonly removedWorkloads: ReadonlySet<string>;
  readonly endpoints: readonly EndpointEntry[];
  readonly removedEndpoints: ReadonlySet<string>;
}

type Changeable = NamespaceDocument | PodDocument | EndpointSliceDocument;

/** Brings the compilation to the new state, but for its contents. Undefined: it gave up, and the compilation is of no more use. */
export function changeCompilation(compilation: Compilation, difference: DocumentDifference): EntryChanges | undefined {
  const { removed, added } = difference;
  if (!removed.every(isChangeable) || !added.every(isChangeable)) return undefined;
  return new CompilationChange(compilation).make(removed, added);
}

function isChangeable(document: Document): document is Changeable {
  return document.kind === "Pod" || document.kind === "EndpointSlice" || document.kind === "Namespace";
}

class CompilationChange {
  readonly #compilation: Compilation;
  /** What pods were that are gone, or are compiled anew. */
  readonly #before: PodPart[] = [];
  readonly #pods = new Set<PodDocument>();
  readonly #services = new Set<string>();

  constructor(compilation: Compilation) {
    this.#compilation = compilation;
  }

  make(removed: readonly Changeable[], added: readonly Changeable[]): EntryChanges | undefined {
    for (const document of removed) if (!this.#remove(document)) return undefined;
    for (const document of added) if (!this.#add(document)) return undefined;
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
    };
  }

  /** False: give up. */
  #remove(document: Changeable): boolean {
    const { claims, facts, pods, slices, names } = this.#compilation;
    names.delete(documentName(document));
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
    const { claims, facts, slices, names } = this.#compilation;
    const name = documentName(document);
    if (names.has(name)) return false;
    names.add(name);
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
