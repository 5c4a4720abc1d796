/**
 * Which pods are behind which Service by the Service's selector, and on which ports: for Services of which nobody made
 * EndpointSlices (compile-slices.ts). TCP only: UDP is never routed.
 */
import type { PodDocument, ServiceDocument } from "../protocol/documents/document.ts";
import type { EndpointEntry, WorkloadEntry } from "../protocol/table.ts";
import { serviceKey } from "./compile-services.ts";
import { SharedValues } from "./shared-values.ts";

/** Of an endpoint of which nobody says its weight. */
export const DEFAULT_WEIGHT = 100;

interface Selection {
  readonly service: ServiceDocument;
  readonly wanted: readonly (readonly [label: string, value: string])[];
  /** What it is kept under. */
  readonly label: string;
  readonly value: string;
}

/**
 * The selectors of all Services, each under the one of its labels that has the fewest of them: so a label which all
 * of them have costs nothing, and one pod's endpoints are found without looking at other pods.
 */
export class ServiceSelectors {
  readonly #selections = new Map<string, Selection>();
  /** Value of the label, then namespace: texts that are there, as making one for every label of every pod is what costs. */
  readonly #byValue = new Map<string, Map<string, readonly Selection[]>>();
  readonly #shared = new SharedValues();

  /** Of the Service with the key; undefined: its selector counts no more. False: so it was before. */
  set(key: string, service: ServiceDocument | undefined): boolean {
    const known = this.#selections.get(key);
    if (known?.service === service) return false;
    if (known !== undefined) this.#remove(key, known);
    if (service !== undefined) this.#add(key, service);
    return true;
  }

  /** Whether it is behind any of the Services. */
  select({ metadata }: PodDocument): boolean {
    return this.#selectionsOf(metadata).length > 0;
  }

  endpointsOf(entry: WorkloadEntry, document: PodDocument): EndpointEntry[] {
    const endpoints: EndpointEntry[] = [];
    for (const { service } of this.#selectionsOf(document.metadata)) {
      const ports = this.#shared.record(targetPorts(service, document));
      if (Object.keys(ports).length > 0) endpoints.push(toEntry(service, entry, document, ports));
    }
    return endpoints;
  }

  #selectionsOf({ namespace, labels }: PodDocument["metadata"]): readonly Selection[] {
    const selections: Selection[] = [];
    for (const label in labels) {
      for (const selection of this.#under(labels[label] ?? "", namespace)) {
        const isFor = selection.label === label && selection.wanted.every(([name, value]) => labels[name] === value);
        if (isFor) selections.push(selection);
      }
    }
    return selections;
  }

  #add(key: string, service: ServiceDocument): void {
    const { namespace } = service.metadata;
    const wanted = Object.entries(service.spec.selector ?? {});
    const byRarity = wanted.toSorted(
      ([, a], [, b]) => this.#under(a, namespace).length - this.#under(b, namespace).length,
    );
    // One without labels is for no pod.
    const [label = "", value = ""] = byRarity[0] ?? [];
    const selection = { service, wanted, label, value };
    this.#selections.set(key, selection);
    this.#keep(selection, [...this.#under(value, namespace), selection]);
  }

  #remove(key: string, selection: Selection): void {
    const { service, value } = selection;
    this.#selections.delete(key);
    const others = this.#under(value, service.metadata.namespace).filter((one) => one !== selection);
    this.#keep(selection, others);
  }

  #under(value: string, namespace: string): readonly Selection[] {
    return this.#byValue.get(value)?.get(namespace) ?? [];
  }

  #keep({ value, service: { metadata } }: Selection, selections: readonly Selection[]): void {
    const byNamespace = this.#byValue.get(value) ?? new Map<string, readonly Selection[]>();
    if (selections.length === 0) byNamespace.delete(metadata.namespace);
    else byNamespace.set(metadata.namespace, selections);
    if (byNamespace.size === 0) this.#byValue.delete(value);
    else this.#byValue.set(value, byNamespace);
  }
}

/** The pod's share of new connections, by its annotation. */
export function weightOf({ metadata }: PodDocument): number {
  const weight = metadata.annotations["hawser.dev/weight"];
  return weight === undefined ? DEFAULT_WEIGHT : Number(weight);
}

function toEntry(
  service: ServiceDocument,
  { uid, state }: WorkloadEntry,
  document: PodDocument,
  ports: Record<number, number>,
): EndpointEntry {
  const key = serviceKey(service);
  const entry = { key: `${key}|${uid}`, service: key, workload: uid, ports, weight: weightOf(document) };
  // As the cluster's endpoint controller counts them: starting, failing or terminating, all are ready.
  const isRaised = service.spec.publishNotReadyAddresses === true && state !== "ready";
  return isRaised ? { ...entry, state: "ready" } : entry;
}

/** A named target port that the pod does not have is left out, as Kubernetes does it. */
function targetPorts(service: ServiceDocument, pod: PodDocument): Record<number, number> {
  const targets: Record<number, number> = {};
  for (const { port, targetPort = port, protocol } of service.spec.ports) {
    if (protocol !== "TCP") continue;
    const target = typeof targetPort === "number" ? targetPort : namedPort(pod, targetPort);
    if (target !== undefined) targets[port] = target;
  }
  return targets;
}

function namedPort(pod: PodDocument, name: string): number | undefined {
  for (const container of pod.spec.containers) {
    const port = container.ports?.find((candidate) => candidate.name === name && candidate.protocol === "TCP");
    if (port !== undefined) return port.containerPort;
  }
  return undefined;
}
