/** An upgrade of the mesh's own pods, as kubectl rolls it out: clients must not notice. */
import type { Lab } from "../../lab/lab-client.ts";
import { captured } from "../support/captured.ts";
import { ConnectionLoad, failureCounts } from "../support/connection-load.ts";
import { eventually } from "../support/eventually.ts";
import { kubectl, rolledOut } from "../support/kubectl.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { meshConverged, meshPods, SYSTEM_NAMESPACE } from "../support/mesh-pods.ts";
import { STEADY_LOAD, webCluster } from "../support/web-cluster.ts";

const story = await kubernetesStories(webCluster());

for (const [what, component] of [
  ["deployment/hawser-controller", "controller"],
  ["daemonset/hawser-agent", "agent"],
] as const) {
  story(`a rolling restart of ${what} under load: no new connection fails`, async (t, lab) => {
    const wire = await captured(lab, async () => {
      const load = await ConnectionLoad.start(lab, "client", STEADY_LOAD);
      await eventually("the load to run", { timeoutMs: 10_000 }, () => load.records.length > 50);
      const before = await podNames(lab, component);
      const startedMs = Date.now();
      await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "rollout", "restart", what]);
      await rolledOut(lab, SYSTEM_NAMESPACE, what);
      await eventually("the old pods to be gone", { timeoutMs: 60_000 }, async () => {
        return (await podNames(lab, component)).every((name) => !before.includes(name));
      });
      await meshConverged(lab);
      const records = await load.end();
      const slowest = Math.max(...records.map((record) => record.endedMs - record.startedMs));
      const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
      t.log(`${records.length} connections in ${seconds} s, slowest ${slowest} ms`);
      t.deepEqual(failureCounts(records), {});
    });
    t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
  });
}

async function podNames(lab: Lab, component: "agent" | "controller"): Promise<readonly string[]> {
  return (await meshPods(lab, component)).map(({ name }) => name);
}
