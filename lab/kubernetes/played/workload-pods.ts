/**
 * The pods that a DaemonSet or a Deployment wants (pure), as far as a cluster without kube-controller-manager needs them: a
 * pod per node or a number of them, replaced one after the other when the template changes, the new one first.
 */
import { createHash } from "node:crypto";
import type { KubeObject } from "../../../kubernetes/kube-client.ts";
import type { PodObject } from "../kube-objects.ts";

export interface WorkloadObject extends KubeObject {
  readonly kind: "DaemonSet" | "Deployment";
  readonly metadata: KubeObject["metadata"] & { readonly generation?: number };
  readonly spec: {
    readonly replicas?: number;
    readonly template: { readonly metadata?: object; readonly spec: object };
  };
}

export interface WorkloadChanges {
  readonly create: readonly object[];
  /** Names. */
  readonly remove: readonly string[];
  /** Pods of the current template, and how many of them are ready. */
  readonly updated: number;
  readonly ready: number;
}

const HASH_LABEL = "pod-template-hash";
const SLOT_LABEL = "lab.hawser.dev/slot";

/** `pods`: all of the namespace. */
export function workloadChanges(
  workload: WorkloadObject,
  pods: readonly PodObject[],
  nodeNames: readonly string[],
): WorkloadChanges {
  const hash = templateHash(workload);
  const own = pods.filter((pod) => isOwnedBy(pod, workload));
  const slots = slotsOf(workload, nodeNames);
  const living = own.filter((pod) => pod.metadata.deletionTimestamp === undefined);
  const current = living.filter((pod) => pod.metadata.labels?.[HASH_LABEL] === hash);
  const outdated = living.filter((pod) => pod.metadata.labels?.[HASH_LABEL] !== hash);
  const filled = (slot: string): boolean => current.some((pod) => pod.metadata.labels?.[SLOT_LABEL] === slot);
  const empty = slots.filter((slot) => !filled(slot));
  const replaced = outdated.filter((pod) => current.some((one) => isReady(one) && sameSlot(one, pod)));
  // One slot at a time once there is something to replace.
  const underWay = current.some((pod) => !isReady(pod));
  const wanted = outdated.length === 0 ? empty : underWay ? [] : empty.slice(0, 1);
  return {
    create: wanted.map((slot) => podOf(workload, hash, slot, own.length)),
    remove: replaced.map((pod) => pod.metadata.name),
    updated: current.length,
    ready: living.filter(isReady).length,
  };
}

function slotsOf(workload: WorkloadObject, nodeNames: readonly string[]): readonly string[] {
  if (workload.kind === "DaemonSet") return nodeNames;
  return Array.from({ length: workload.spec.replicas ?? 1 }, (_, index) => `${index}`);
}

function podOf(workload: WorkloadObject, hash: string, slot: string, serial: number): object {
  const { name, namespace, uid } = workload.metadata;
  const template = workload.spec.template;
  const metadata = (template.metadata ?? {}) as { labels?: object };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...metadata,
      namespace,
      name: `${name}-${hash}-${slot}-${serial}`,
      labels: { ...metadata.labels, [HASH_LABEL]: hash, [SLOT_LABEL]: slot },
      ownerReferences: [{ apiVersion: "apps/v1", kind: workload.kind, name, uid, controller: true }],
    },
    spec: { ...template.spec, ...(workload.kind === "DaemonSet" ? { nodeName: slot } : {}) },
  };
}

function templateHash({ spec }: WorkloadObject): string {
  return createHash("sha256").update(JSON.stringify(spec.template)).digest("hex").slice(0, 8);
}

export function isOwnedBy(pod: PodObject, workload: KubeObject): boolean {
  return pod.metadata.ownerReferences?.some((owner) => owner.uid === workload.metadata.uid) === true;
}

function sameSlot(a: PodObject, b: PodObject): boolean {
  return a.metadata.labels?.[SLOT_LABEL] === b.metadata.labels?.[SLOT_LABEL];
}

function isReady(pod: PodObject): boolean {
  return pod.status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") === true;
}
