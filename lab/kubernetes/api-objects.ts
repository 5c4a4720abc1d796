/**
 * The documents of a lab's cluster file as objects that a real API server takes (pure): what it wants beside what the lab
 * needs is added, what is the kubelet's is left out.
 */
import type { LabNode } from "../cluster/cluster-file.ts";
import type { LabPod } from "../lab-status.ts";

/** The image of pods that run programs of this machine. */
export const MACHINE_IMAGE = "lab.hawser.dev/machine";
/** As in documents of the lab: nothing here holds what is worth 30 s. */
const GRACE_SECONDS = 5;
/** Nodes are spread over this many zones in turn. */
const ZONES = 2;

export function nodeObject(node: LabNode, index: number): object {
  const labels = {
    "kubernetes.io/hostname": node.name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": process.arch === "arm64" ? "arm64" : "amd64",
    "topology.kubernetes.io/zone": `zone-${(index % ZONES) + 1}`,
  };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: node.name, labels },
    spec: { podCIDR: node.podCidrs[0], podCIDRs: node.podCidrs },
  };
}

/** Room for whatever a story starts; versions are those of nobody. */
export function nodeStatus(node: LabNode, now: string): object {
  const resources = { cpu: "16", memory: "64Gi", "ephemeral-storage": "100Gi", pods: "250" };
  const condition = { lastHeartbeatTime: now, lastTransitionTime: now, reason: "KubeletReady", message: "played" };
  return {
    status: {
      addresses: [
        ...node.addresses.map((address) => ({ type: "InternalIP", address })),
        { type: "Hostname", address: node.name },
      ],
      capacity: resources,
      allocatable: resources,
      conditions: [{ type: "Ready", status: "True", ...condition }],
      nodeInfo: {
        machineID: "",
        systemUUID: "",
        bootID: "",
        kernelVersion: "",
        osImage: "lab",
        containerRuntimeVersion: "lab://1",
        kubeletVersion: "v0.0.0-lab",
        kubeProxyVersion: "",
        operatingSystem: "linux",
        architecture: process.arch === "arm64" ? "arm64" : "amd64",
      },
    },
  };
}

interface NamespacedObject {
  readonly metadata: { readonly namespace?: string };
}

export function namespaceOf({ metadata }: NamespacedObject): string {
  return metadata.namespace ?? "default";
}

export function namespaceObject(name: string): object {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

export function serviceAccountObject(namespace: string, name: string): object {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
}

/** `clusterIP` must be the first of `clusterIPs`; a Service with two of them must say that it is dual stack. */
export function serviceObject(
  document: Readonly<Record<string, unknown>>,
): NamespacedObject & { readonly spec: object } {
  const spec = document["spec"] as { clusterIP?: string; clusterIPs?: readonly string[] };
  const metadata = { namespace: "default", ...(document["metadata"] as object) };
  const [first, second] = spec.clusterIPs ?? [];
  const families = second === undefined ? {} : { ipFamilyPolicy: "RequireDualStack" };
  return { ...document, metadata, spec: first === undefined ? spec : { ...families, ...spec, clusterIP: first } };
}

/** Without the addresses a document may ask for: they are the kubelet's. */
export function podObject(pod: LabPod): object {
  const { status: _status, ...rest } = pod;
  const containers = pod.spec.containers.map((container) => ({ name: "main", image: MACHINE_IMAGE, ...container }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    ...rest,
    metadata: { namespace: "default", ...pod.metadata },
    spec: { terminationGracePeriodSeconds: GRACE_SECONDS, ...pod.spec, containers },
  };
}
