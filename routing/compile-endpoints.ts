/** Which pods are behind which Service, by the Service's selector, and on which ports. TCP only: UDP is never routed. */
import type { PodDocument, ServiceDocument } from "../protocol/documents/document.ts";
import type { EndpointEntry } from "../protocol/table.ts";
import { serviceKey } from "./compile-services.ts";
import type { CompiledPod } from "./compile-workloads.ts";

const DEFAULT_WEIGHT = 100;

export function compileEndpoints(services: readonly ServiceDocument[], pods: readonly CompiledPod[]): EndpointEntry[] {
  const byLabel = indexByLabel(pods);
  return services.flatMap((service) =>
    selectedPods(service, byLabel).flatMap((pod) => {
      const ports = targetPorts(service, pod.document);
      return Object.keys(ports).length === 0 ? [] : [toEntry(serviceKey(service), pod, ports)];
    }),
  );
}

function toEntry(service: string, { entry, document }: CompiledPod, ports: Record<number, number>): EndpointEntry {
  const weight = document.metadata.annotations["hawser.dev/weight"];
  return {
    key: `${service}|${entry.uid}`,
    service,
    workload: entry.uid,
    ports,
    weight: weight === undefined ? DEFAULT_WEIGHT : Number(weight),
  };
}

type LabelIndex = ReadonlyMap<string, readonly CompiledPod[]>;

function indexByLabel(pods: readonly CompiledPod[]): LabelIndex {
  const index = new Map<string, CompiledPod[]>();
  for (const pod of pods) {
    for (const [label, value] of Object.entries(pod.entry.labels)) {
      const key = labelKey(pod.entry.namespace, label, value);
      const list = index.get(key);
      if (list === undefined) index.set(key, [pod]);
      else list.push(pod);
    }
  }
  return index;
}

/** Starts from the rarest of the selector's labels, so that a label which all pods have costs nothing. */
function selectedPods({ metadata, spec }: ServiceDocument, byLabel: LabelIndex): readonly CompiledPod[] {
  const wanted = Object.entries(spec.selector ?? {});
  let fewest: readonly CompiledPod[] | undefined;
  for (const [label, value] of wanted) {
    const pods = byLabel.get(labelKey(metadata.namespace, label, value)) ?? [];
    if (fewest === undefined || pods.length < fewest.length) fewest = pods;
  }
  return (fewest ?? []).filter(({ entry }) => wanted.every(([label, value]) => entry.labels[label] === value));
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
