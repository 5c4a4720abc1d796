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
}

/**
 * The selectors of all Services, each under the one of its labels that the fewest selectors have: so a label which all
 * of them have costs nothing, and one pod's endpoints are found without looking at other pods.
 */
export class ServiceSelectors {
  readonly #services: Set<string>;
  readonly #byLabel: ReadonlyMap<string, readonly Selection[]>;
  readonly #shared = new SharedValues();

  constructor(services: readonly ServiceDocument[]) {
    const selections = services.map((service) => ({ service, wanted: Object.entries(service.spec.selector ?? {}) }));
    this.#services = new Set(services.map(serviceKey));
    const uses = countUses(selections);
    const byLabel = new Map<string, Selection[]>();
    for (const selection of selections) {
      const rarest = rarestLabel(selection, uses);
      if (rarest === undefined) continue;
      const list = byLabel.get(rarest);
      if (list === undefined) byLabel.set(rarest, [selection]);
      else list.push(selection);
    }
    this.#byLabel = byLabel;
  }

  has(service: string): boolean {
    return this.#services.has(service);
  }

  /** From now on the Service has no endpoints by its selector. False: it had none before. */
  remove(service: string): boolean {
    return this.#services.delete(service);
  }

  endpointsOf(entry: WorkloadEntry, document: PodDocument): EndpointEntry[] {
    const { namespace, labels } = entry;
    const endpoints: EndpointEntry[] = [];
    for (const label in labels) {
      for (const { service, wanted } of this.#byLabel.get(labelKey(namespace, label, labels[label] ?? "")) ?? []) {
        if (!wanted.every(([name, value]) => labels[name] === value)) continue;
        if (!this.#services.has(serviceKey(service))) continue;
        const ports = this.#shared.record(targetPorts(service, document));
        if (Object.keys(ports).length > 0) endpoints.push(toEntry(service, entry, document, ports));
      }
    }
    return endpoints;
  }
}

/** The pod's share of new connections, by its annotation. */
export function weightOf({ metadata }: PodDocument): number {
  const weight = metadata.annotations["hawser.dev/weight"];
  return weight === undefined ? DEFAULT_WEIGHT : Number(weight);
}

function countUses(selections: readonly Selection[]): ReadonlyMap<string, number> {
  const uses = new Map<string, number>();
  for (const selection of selections) {
    for (const key of labelKeys(selection)) uses.set(key, (uses.get(key) ?? 0) + 1);
  }
  return uses;
}

function rarestLabel(selection: Selection, uses: ReadonlyMap<string, number>): string | undefined {
  let rarest: string | undefined;
  for (const key of labelKeys(selection)) {
    if (rarest === undefined || (uses.get(key) ?? 0) < (uses.get(rarest) ?? 0)) rarest = key;
  }
  return rarest;
}

function labelKeys({ service, wanted }: Selection): readonly string[] {
  return wanted.map(([label, value]) => labelKey(service.metadata.namespace, label, value));
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

/** Neither namespaces nor labels can hold a space. */
function labelKey(namespace: string, label: string, value: string): string {
  return `${namespace} ${label} ${value}`;
}
