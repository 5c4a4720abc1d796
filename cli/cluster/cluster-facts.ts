/**
 * What `hawser check` knows of a cluster, read once: plain values, so that every rule of judge-cluster.ts can be tested with
 * the facts of a cluster that somebody met. Undefined: there is none, or it may not be read.
 */
import type { MeshStatus } from "./controller-status.ts";
import type { ConfigMapObject, LeaseObject, NodeObject, PodObject, WorkloadObject } from "./kube-shapes.ts";

export interface ClusterFacts {
  /** As the API server says it, e.g. `v1.36.3+k3s1`. */
  readonly version: string;
  readonly nodes: readonly NodeObject[];
  /** `namespace/name` of every DaemonSet: CNIs are known by theirs. */
  readonly daemonSets: readonly string[];
  /** `cilium-config` in kube-system. */
  readonly cilium: ConfigMapObject | undefined;
  /** `bpfEnabled` of Calico's FelixConfiguration. */
  readonly calicoEbpf: boolean | undefined;
  /** `kube-proxy` in kube-system. */
  readonly kubeProxy: ConfigMapObject | undefined;
  readonly agent: WorkloadObject | undefined;
  readonly agentPods: readonly PodObject[];
  readonly controller: WorkloadObject | undefined;
  readonly lease: LeaseObject | undefined;
  readonly roots: ConfigMapObject | undefined;
  readonly mesh: MeshStatus | undefined;
  readonly nowMs: number;
}
