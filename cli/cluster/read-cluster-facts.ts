/** Reads what `hawser check` judges. What is not there or may not be read is undefined; only a silent API server is an error. */
import { type KubeClient, KubeError, type KubeList, type KubeObject } from "../../kubernetes/kube-client.ts";
import { AGENT, CONTROLLER, NAMESPACE, ROOTS_CONFIG_MAP } from "../manifests/names.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import type { ConfigMapObject, LeaseObject, NodeObject, PodObject, WorkloadObject } from "./kube-shapes.ts";
import { readMeshStatus } from "./read-mesh-status.ts";

const AGENT_PODS = "app.kubernetes.io/name=hawser,app.kubernetes.io/component=agent";

/** Rejects with KubeError when the API server does not answer, or not this user. */
export async function readClusterFacts(kube: KubeClient, nowMs: number): Promise<ClusterFacts> {
  const { gitVersion } = await kube.get<{ readonly gitVersion: string }>("/version");
  const ours = `/namespaces/${NAMESPACE}`;
  const [nodes, daemonSets, cilium, felix, kubeProxy, agent, agentPods, controller, lease, roots, mesh] =
    await Promise.all([
      kube.get<KubeList<NodeObject>>("/api/v1/nodes"),
      optional(kube.get<KubeList<KubeObject>>("/apis/apps/v1/daemonsets")),
      optional(kube.get<ConfigMapObject>("/api/v1/namespaces/kube-system/configmaps/cilium-config")),
      optional(kube.get<Felix>("/apis/crd.projectcalico.org/v1/felixconfigurations/default")),
      optional(kube.get<ConfigMapObject>("/api/v1/namespaces/kube-system/configmaps/kube-proxy")),
      optional(kube.get<WorkloadObject>(`/apis/apps/v1${ours}/daemonsets/${AGENT}`)),
      optional(kube.get<KubeList<PodObject>>(`/api/v1${ours}/pods`, { labelSelector: AGENT_PODS })),
      optional(kube.get<WorkloadObject>(`/apis/apps/v1${ours}/deployments/${CONTROLLER}`)),
      optional(kube.get<LeaseObject>(`/apis/coordination.k8s.io/v1${ours}/leases/${CONTROLLER}`)),
      optional(kube.get<ConfigMapObject>(`/api/v1${ours}/configmaps/${ROOTS_CONFIG_MAP}`)),
      optional(readMeshStatus(kube)),
    ]);
  return {
    version: gitVersion,
    nodes: nodes.items,
    daemonSets: (daemonSets?.items ?? []).map(({ metadata }) => `${metadata.namespace ?? ""}/${metadata.name}`),
    cilium,
    calicoEbpf: felix?.spec?.bpfEnabled,
    kubeProxy,
    agent,
    agentPods: agentPods?.items ?? [],
    controller,
    lease,
    roots,
    mesh,
    nowMs,
  };
}

interface Felix {
  readonly spec?: { readonly bpfEnabled?: boolean };
}

async function optional<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof KubeError && error.status !== 0) return undefined;
    throw error;
  }
}
