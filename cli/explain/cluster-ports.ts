/** The admin ports of a cluster's agents and controllers, reached through its API server. */
import { HawserError } from "../../core/errors.ts";
import { forwardPort } from "../../kubernetes/forward-port.ts";
import type { CredentialSource } from "../../kubernetes/credentials.ts";
import { isKubeStatus, type KubeClient, type KubeList } from "../../kubernetes/kube-client.ts";
import { AGENT_ADMIN_PORT, CONTROLLER_ADMIN_PORT } from "../../protocol/ports.ts";
import { isReady, type PodObject } from "../cluster/kube-shapes.ts";
import { NAMESPACE } from "../manifests/names.ts";
import { type AdminPort, portOver } from "./admin-port.ts";

const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;

/** Of any replica that is ready: all of them compile the same table. */
export async function controllerPort(kube: KubeClient): Promise<AdminPort> {
  const pod = (await podsOf(kube, "controller")).find(isReady);
  if (pod === undefined) {
    throw new HawserError("no-controller", `No controller is ready, see kubectl -n ${NAMESPACE} get pods`);
  }
  const { name } = pod.metadata;
  return {
    name: `controller ${name}`,
    get: (path) => kube.get(`${PODS}/${name}:${CONTROLLER_ADMIN_PORT}/proxy${path}`),
  };
}

/** `name`: a node, an agent's pod, or any pod (`namespace/name`), whose node is meant. */
export async function agentPort(kube: KubeClient, credentials: CredentialSource, name: string): Promise<AdminPort> {
  const agents = await podsOf(kube, "agent");
  const node = name.includes("/") ? await nodeOfPod(kube, name) : name;
  const meant = agents.filter(({ metadata, spec }) => metadata.name === node || spec?.nodeName === node);
  // Two during a rollout: the one that is ready has the rules.
  const agent = meant.find(isReady) ?? meant[0];
  if (agent === undefined) {
    const known = agents.map(({ spec }) => spec?.nodeName ?? "").filter((each) => each !== "");
    throw new HawserError(
      "no-agent",
      `There is no agent ${name}; nodes with one: ${known.sort().join(", ") || "none"}`,
    );
  }
  const to = { namespace: NAMESPACE, pod: agent.metadata.name, port: AGENT_ADMIN_PORT };
  return portOver(`agent of ${agent.spec?.nodeName ?? name}`, () => forwardPort(credentials, to));
}

async function podsOf(kube: KubeClient, component: "agent" | "controller"): Promise<readonly PodObject[]> {
  const labelSelector = `app.kubernetes.io/name=hawser,app.kubernetes.io/component=${component}`;
  const { items } = await kube.get<KubeList<PodObject>>(PODS, { labelSelector });
  return items.filter(({ status }) => status?.phase === "Running");
}

async function nodeOfPod(kube: KubeClient, name: string): Promise<string> {
  const [namespace = "", pod = ""] = name.split("/");
  try {
    const { spec } = await kube.get<PodObject>(`/api/v1/namespaces/${namespace}/pods/${pod}`);
    return spec?.nodeName ?? "";
  } catch (error) {
    if (!isKubeStatus(error, 404)) throw error;
    throw new HawserError("no-pod", `There is no pod ${name}`, { cause: error });
  }
}
