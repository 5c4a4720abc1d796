/** What holds when no Mesh document says otherwise. */
import type { MeshSettings } from "../protocol/table.ts";

/**
 * Of a Kubernetes cluster, whatever the Mesh document excludes besides: what the cluster, and Hawser itself, cannot come
 * up without. The label `hawser.dev/mesh: enabled` of the namespace takes one back in.
 */
export const KUBERNETES_EXCLUDED_NAMESPACES: readonly string[] = ["hawser-system", "kube-system"];

export const MESH_DEFAULTS: MeshSettings = {
  // What Kubernetes calls its cluster by default, and the other meshes their trust domain.
  trustDomain: "cluster.local",
  // The safe one: who wants to move a cluster in step by step says so.
  encryption: "strict",
  locality: "prefer-local",
  loadBalancer: "least-request",
  ejection: {
    // A refused connection is no chance event; the second one is proof, and retries have hidden both.
    consecutiveFailures: 2,
    // Long enough for a crashed container to be back, short enough that a wrong verdict does not matter.
    baseEjectionMs: 10_000,
    maxEjectionMs: 300_000,
    // Half of the endpoints must carry all of the load: more ejections than that make an overload out of a failure.
    maxEjectionPercent: 50,
  },
  exclude: { ports: [], cidrs: [], namespaces: [] },
};
