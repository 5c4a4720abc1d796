/**
 * Takes Hawser out of a cluster, in the order in which least happens:
 *
 *   agents (drain, take their rules away, tell the controller) -> traces on the nodes -> everything else -> namespace
 *
 * What is gone already is fine: it can be run again.
 */
import { HawserError } from "../../core/errors.ts";
import { isKubeStatus, type KubeClient, type KubeList } from "../../kubernetes/kube-client.ts";
import { readIfThere } from "../../kubernetes/read-if-there.ts";
import { imageOf, isReady, type PodObject, type WorkloadObject } from "../cluster/kube-shapes.ts";
import type { ObjectReference } from "../manifests/manifest-set.ts";
import { AGENT, CONTROLLER, NAMESPACE } from "../manifests/names.ts";
import { CLEANING, cleaningDaemonSet } from "./cleaning-daemon-set.ts";
import { objectPath } from "./object-path.ts";

export interface UninstallOptions {
  readonly kube: KubeClient;
  /** Of every manifest, in the order of `kubectl apply`. */
  readonly objects: readonly ObjectReference[];
  /** Leave /var/lib/hawser on the nodes. */
  readonly keepState: boolean;
  readonly say: (line: string) => void;
  readonly sleep: (ms: number) => Promise<unknown>;
}

const DAEMON_SETS = `/apis/apps/v1/namespaces/${NAMESPACE}/daemonsets`;
const DEPLOYMENTS = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;
const POLL_MS = 1_000;
/** Beyond the agents' own grace period: the kubelet notices, and answers, in its own time. */
const PATIENCE_S = 60;
/** An image that has to be pulled, a kubelet that is busy. */
const CLEANING_S = 180;

/** Throws HawserError `not-gone`, naming what is still there. */
export async function uninstall(options: UninstallOptions): Promise<void> {
  const { kube, objects, say, keepState } = options;
  const agent = await readIfThere<WorkloadObject & Grace>(kube, `${DAEMON_SETS}/${AGENT}`);
  await remove(options, `${DAEMON_SETS}/${AGENT}`, `DaemonSet ${AGENT}`);
  const graceS = agent?.spec?.template?.spec?.terminationGracePeriodSeconds ?? 0;
  await untilGone(options, "agents", () => pods(kube, "agent"), graceS + PATIENCE_S);
  // The second run after one that was given up finds no agents' DaemonSet, but the controllers' Deployment is of the same image.
  const image = imageOf(agent) ?? imageOf(await readIfThere<WorkloadObject>(kube, `${DEPLOYMENTS}/${CONTROLLER}`));
  if (!keepState && image !== undefined) await clean(options, image);
  else if (!keepState) say("No image of Hawser is known here: what agents left on the nodes stays there");
  const rest = objects.filter(({ kind }) => kind !== "DaemonSet").reverse();
  for (const object of rest) await remove(options, objectPath(object), `${object.kind} ${object.name}`);
  await untilGone(options, "namespace", async () => ((await namespaceIsThere(kube)) ? [NAMESPACE] : []), PATIENCE_S);
  say("Hawser is gone. On a node that was away, or to be sure: `iptables-save | grep HAWSER` prints nothing there.");
}

interface Grace {
  readonly spec?: { readonly template?: { readonly spec?: { readonly terminationGracePeriodSeconds?: number } } };
}

async function clean(options: UninstallOptions, image: string): Promise<void> {
  const { kube, say } = options;
  try {
    await kube.create(DAEMON_SETS, cleaningDaemonSet(image));
  } catch (error) {
    // A run that was cut off has left it, at work.
    if (!isKubeStatus(error, 409)) throw error;
  }
  say("Removing what agents have left on the nodes");
  try {
    await until(options, CLEANING_S, async () => {
      const { status } = await kube.get<Rollout>(`${DAEMON_SETS}/${CLEANING}`);
      const wanted = status?.desiredNumberScheduled;
      return status?.observedGeneration === undefined ? "the DaemonSet controller" : await unclean(kube, wanted ?? 0);
    });
  } finally {
    await remove(options, `${DAEMON_SETS}/${CLEANING}`, `DaemonSet ${CLEANING}`);
  }
  await untilGone(options, "cleaning pods", () => pods(kube, "cleaning"), PATIENCE_S);
}

interface Rollout {
  readonly status?: { readonly observedGeneration?: number; readonly desiredNumberScheduled?: number };
}

async function unclean(kube: KubeClient, wanted: number): Promise<string | undefined> {
  const all = await list(kube, "cleaning");
  const waiting = all.filter((pod) => !isReady(pod)).map((pod) => pod.spec?.nodeName ?? pod.metadata.name);
  if (waiting.length === 0 && all.length >= wanted) return undefined;
  return `nodes ${waiting.length === 0 ? "without a pod yet" : waiting.join(", ")}`;
}

async function remove({ kube, say }: UninstallOptions, path: string, name: string): Promise<void> {
  try {
    await kube.delete(path);
    say(`${name} deleted`);
  } catch (error) {
    if (!isKubeStatus(error, 404)) throw error;
    say(`${name} is not there`);
  }
}

async function untilGone(
  options: UninstallOptions,
  what: string,
  left: () => Promise<readonly string[]>,
  limitS: number,
): Promise<void> {
  let before = -1;
  await until(options, limitS, async () => {
    const names = await left();
    if (names.length !== before && names.length > 0) options.say(`Waiting for ${names.length} ${what} to go`);
    before = names.length;
    return names.length === 0 ? undefined : `${what} ${names.join(", ")}`;
  });
}

/** `pending` names what is waited for, or nothing when it is done. */
async function until(
  { sleep }: UninstallOptions,
  limitS: number,
  pending: () => Promise<string | undefined>,
): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const what = await pending();
    if (what === undefined) return;
    if (waitedMs >= limitS * 1_000) {
      throw new HawserError("not-gone", `Waited ${limitS} s for ${what}; look at it with kubectl, then run this again`);
    }
    await sleep(POLL_MS);
  }
}

async function pods(kube: KubeClient, component: string): Promise<readonly string[]> {
  return (await list(kube, component)).map(({ metadata }) => metadata.name);
}

async function list(kube: KubeClient, component: string): Promise<readonly PodObject[]> {
  const labelSelector = `app.kubernetes.io/name=hawser,app.kubernetes.io/component=${component}`;
  return (await kube.get<KubeList<PodObject>>(`/api/v1/namespaces/${NAMESPACE}/pods`, { labelSelector })).items;
}

async function namespaceIsThere(kube: KubeClient): Promise<boolean> {
  return (await readIfThere(kube, `/api/v1/namespaces/${NAMESPACE}`)) !== undefined;
}
