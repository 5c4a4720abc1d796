/** Asks every replica of the controller for its status: through the API server's proxy for pods, or one of them directly. */
import { describeError } from "../../core/errors.ts";
import type { KubeClient, KubeList } from "../../kubernetes/kube-client.ts";
import { CONTROLLER_ADMIN_PORT } from "../../protocol/ports.ts";
import { CONTROLLER, NAMESPACE } from "../manifests/names.ts";
import { type MeshStatus, meshStatus, type Replica, type ReplicaStatus } from "./controller-status.ts";
import type { LeaseObject, PodObject } from "./kube-shapes.ts";

const CONTROLLER_PODS = "app.kubernetes.io/name=hawser,app.kubernetes.io/component=controller";
/** A person waits for it. */
const URL_TIMEOUT_MS = 10_000;

/** Throws KubeError when the API server cannot be asked at all. A replica that does not answer is in the result. */
export async function readMeshStatus(kube: KubeClient): Promise<MeshStatus> {
  const pods = await kube.get<KubeList<PodObject>>(`/api/v1/namespaces/${NAMESPACE}/pods`, {
    labelSelector: CONTROLLER_PODS,
  });
  const replicas = await Promise.all(pods.items.map((pod) => askThroughProxy(kube, pod)));
  return meshStatus(replicas, await leader(kube));
}

/** `url`: of one replica's admin port, as `kubectl port-forward` makes it. */
export async function readStatusAt(url: string): Promise<MeshStatus> {
  return meshStatus([{ name: url, status: await ask(url) }], undefined);
}

async function askThroughProxy(kube: KubeClient, { metadata, status }: PodObject): Promise<Replica> {
  const { name } = metadata;
  const phase = status?.phase ?? "Unknown";
  if (phase !== "Running") return { name, status: { problem: `its pod is ${phase}` } };
  try {
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/${name}:${CONTROLLER_ADMIN_PORT}/proxy/status`;
    return { name, status: await kube.get<ReplicaStatus>(path) };
  } catch (error) {
    return { name, status: { problem: describeError(error) } };
  }
}

async function ask(url: string): Promise<Replica["status"]> {
  try {
    const response = await fetch(new URL("/status", url), { signal: AbortSignal.timeout(URL_TIMEOUT_MS) });
    if (response.status !== 200) return { problem: `answered with HTTP status ${response.status}` };
    return (await response.json()) as ReplicaStatus;
  } catch (error) {
    return { problem: describeError(error) };
  }
}

async function leader(kube: KubeClient): Promise<string | undefined> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases/${CONTROLLER}`;
  const lease = await kube.get<LeaseObject>(path).catch(() => undefined);
  return lease?.spec?.holderIdentity;
}
