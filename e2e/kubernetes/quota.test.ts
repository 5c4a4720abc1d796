/** A quota with two replicas of the controller: agents of both share it by demand, and another leader goes on with it. */
import type { Lab } from "../../lab/lab-client.ts";
import { mesh } from "../support/cluster-documents.ts";
import { eventually } from "../support/eventually.ts";
import { kubectl, kubeObject } from "../support/kubectl.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { meshConverged, meshPods, SYSTEM_NAMESPACE } from "../support/mesh-pods.ts";
import { mean, perSecond, quotaDocuments, quotaLoad } from "../support/quota-load.ts";

const QUOTA = 300;
const PATIENCE = { timeoutMs: 20_000 };

const story = await kubernetesStories([mesh({ encryption: "strict" }), ...quotaDocuments(QUOTA)]);

story("agents of two replicas share a quota by demand, and go on when the leader has changed", async (t, lab) => {
  await eventually("one that leases, and one that relays", PATIENCE, async () => {
    return (await roles(lab)).join(" ") === "leading relaying";
  });
  await goesByDemand();
  const { spec } = await kubeObject<{ spec: { holderIdentity: string } }>(
    lab,
    SYSTEM_NAMESPACE,
    "lease/hawser-controller",
  );
  const [leader = ""] = spec.holderIdentity.split("_");
  await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "delete", "pod", leader]);
  await eventually("another leader", PATIENCE, async () => (await roles(lab)).join(" ") === "leading relaying");
  await meshConverged(lab);
  await goesByDemand();

  async function goesByDemand(): Promise<void> {
    const nodes = await quotaLoad(lab, [500, 80, 30], 8);
    const total = perSecond(nodes);
    t.log("admitted per second", total, "by node", nodes.map(mean));
    t.true(mean(total) >= QUOTA * 0.95 && mean(total) <= QUOTA * 1.05, JSON.stringify(total));
    // Fair shares alone would be 100 each.
    t.true(mean(nodes[0]) > 150);
  }
});

async function roles(lab: Lab): Promise<readonly string[]> {
  const pods = await meshPods(lab, "controller");
  const found = await Promise.all(pods.map(({ name }) => roleOf(lab, name).catch(() => "away")));
  return found.sort();
}

async function roleOf(lab: Lab, pod: string): Promise<string> {
  const path = `/api/v1/namespaces/${SYSTEM_NAMESPACE}/pods/${pod}:15010/proxy/status`;
  const { quotas } = JSON.parse(await kubectl(lab, ["get", "--raw", path])) as { quotas: { role: string } };
  return quotas.role;
}
