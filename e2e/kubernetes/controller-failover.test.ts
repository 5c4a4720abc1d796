/** The one replica that writes dies: how long until another one does, and what traffic notices. */
import { setTimeout as delay } from "node:timers/promises";
import type { Lab } from "../../lab/lab-client.ts";
import { ConnectionLoad, failureCounts } from "../support/connection-load.ts";
import { eventually } from "../support/eventually.ts";
import { kubectl, kubeObject } from "../support/kubectl.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { meshConverged, SYSTEM_NAMESPACE } from "../support/mesh-pods.ts";
import { STEADY_LOAD, webCluster } from "../support/web-cluster.ts";

/** The Lease's own duration of 15 s, and a retry. */
const TARGET_MS = 20_000;
const TAINT = "hawser.dev/agent-not-ready";

const story = await kubernetesStories(webCluster());

story(
  "the leader is killed: another replica writes after the Lease's time, and no connection fails",
  async (t, lab) => {
    const load = await ConnectionLoad.start(lab, "client", STEADY_LOAD);
    const leader = await eventually("a leader", { timeoutMs: 20_000 }, () => holderOf(lab));
    const killedMs = Date.now();
    // For good: a container that the kubelet starts again would be another holder in the same pod.
    await kubectl(lab, [
      "--namespace",
      SYSTEM_NAMESPACE,
      "delete",
      "pod",
      podOf(leader),
      "--grace-period",
      "0",
      "--force",
    ]);
    await kubectl(lab, ["taint", "nodes", "node-2", `${TAINT}=:NoSchedule`]);
    await eventually("another leader", { timeoutMs: 40_000 }, async () => {
      const holder = await holderOf(lab);
      return holder !== undefined && podOf(holder) !== podOf(leader);
    });
    const tookMs = Date.now() - killedMs;
    await eventually(
      "it to write: the taint is gone",
      { timeoutMs: 10_000 },
      async () => !(await isTainted(lab, "node-2")),
    );
    t.log(`another leader after ${tookMs} ms, it has written after ${Date.now() - killedMs} ms`);
    t.true(tookMs < TARGET_MS);
    await meshConverged(lab);
    t.deepEqual(failureCounts(await load.end()), {});
  },
);

story("a leader that stops in order hands the Lease over at once", async (t, lab) => {
  const leader = await eventually("a leader", { timeoutMs: 20_000 }, () => holderOf(lab));
  const stoppedMs = Date.now();
  await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "delete", "pod", podOf(leader)]);
  await eventually("another leader", { timeoutMs: 30_000 }, async () => {
    const holder = await holderOf(lab);
    return holder !== undefined && podOf(holder) !== podOf(leader);
  });
  t.log(`another leader ${Date.now() - stoppedMs} ms after kubectl delete pod began`);
  t.true(Date.now() - stoppedMs < TARGET_MS / 2);
});

story("a taint is taken from a node once its agent is ready, and not before", async (t, lab) => {
  const selector = { spec: { template: { spec: { nodeSelector: { "story/agent": "yes" } } } } };
  await kubectl(lab, ["label", "nodes", "node-1", "node-2", "story/agent=yes"]);
  const patch = ["--type", "merge", "--patch", JSON.stringify(selector)];
  await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "patch", "daemonset/hawser-agent", ...patch]);
  await eventually("node 3 to have no agent", { timeoutMs: 60_000 }, async () => {
    const { agents } = await lab.status();
    return agents.every(({ node }) => node !== "node-3") && !(await isPresent(lab, "node-3"));
  });
  await kubectl(lab, ["taint", "nodes", "node-3", `${TAINT}=:NoSchedule`]);
  await delay(LEADER_LOOKS_MS);
  t.true(await isTainted(lab, "node-3"), "while there is no agent");
  await kubectl(lab, ["label", "nodes", "node-3", "story/agent=yes"]);
  await eventually("the taint to be gone", { timeoutMs: 60_000 }, async () => !(await isTainted(lab, "node-3")));
  const { agents } = await lab.status();
  t.true(agents.some(({ node, ready }) => node === "node-3" && ready));
});

/** The length of a phase of the story: the leader looks at taints every second. */
const LEADER_LOOKS_MS = 3_000;

async function holderOf(lab: Lab): Promise<string | undefined> {
  const lease = await kubeObject<{ spec: { holderIdentity?: string } }>(
    lab,
    SYSTEM_NAMESPACE,
    "lease/hawser-controller",
  );
  return lease.spec.holderIdentity === "" ? undefined : lease.spec.holderIdentity;
}

/** `<pod>_<random>`. */
function podOf(holder: string): string {
  return holder.split("_")[0] ?? holder;
}

async function isTainted(lab: Lab, node: string): Promise<boolean> {
  const { spec } = await kubeObject<{ spec: { taints?: readonly { key: string }[] } }>(lab, "", `node/${node}`);
  return spec.taints?.some(({ key }) => key === TAINT) === true;
}

async function isPresent(lab: Lab, node: string): Promise<boolean> {
  const { data = {} } = await kubeObject<{ data?: Record<string, string> }>(
    lab,
    SYSTEM_NAMESPACE,
    "configmap/hawser-agents",
  );
  return Object.hasOwn(data, node);
}
