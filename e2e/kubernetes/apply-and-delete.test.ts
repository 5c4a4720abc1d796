/** What the README promises: apply the manifests, and traffic between nodes is meshed; delete them, and no trace is left. */
import type { Lab } from "../../lab/lab-client.ts";
import type { LabHostState } from "../../lab/lab-status.ts";
import { askTimes } from "../support/ask-once.ts";
import { captured } from "../support/captured.ts";
import { clientPod, pod, service } from "../support/cluster-documents.ts";
import { failureCounts } from "../support/connection-load.ts";
import { eventually } from "../support/eventually.ts";
import { hostStateChanges } from "../support/host-state-changes.ts";
import { kubectl } from "../support/kubectl.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { applyManifests, MANIFESTS, SYSTEM_NAMESPACE } from "../support/mesh-pods.ts";

const PORT = 7000;
const NODES = ["node-1", "node-2", "node-3"];

const story = await kubernetesStories(
  [
    clientPod("client", 1),
    pod({ name: "web", node: 2, command: ["node", "e2e/pods/name-server.ts", `${PORT}`], port: PORT }),
    // A node without a pod has no link-local address on its bridge: the controllers' pods would change that.
    clientPod("idle", 3),
    service({ name: "web", number: 101, selector: { app: "web" }, ports: [PORT] }),
  ],
  { mesh: false },
);

story("manifests applied mesh the traffic between nodes, deleted they leave no trace", async (t, lab) => {
  const before = await hostStates(lab);
  const clear = await captured(lab, () => askHappily(lab));
  t.true(clear.plaintextPackets > 0, "without the mesh it is readable");

  const appliedMs = Date.now();
  await applyManifests(lab);
  t.log(`meshed ${((Date.now() - appliedMs) / 1000).toFixed(1)} s after kubectl apply`);

  const meshed = await captured(lab, () => askHappily(lab));
  t.true(meshed.packets > 0);
  t.is(meshed.plaintextPackets, 0, meshed.plaintextSamples.join("\n"));
  t.deepEqual(meshed.tlsVersions, ["TLSv1.3"]);

  await kubectl(lab, ["delete", "--filename", MANIFESTS]);
  await eventually("the agents to be gone", { timeoutMs: 60_000 }, async () => {
    const { pods } = await lab.status();
    return pods.every(({ namespace }) => namespace !== SYSTEM_NAMESPACE);
  });
  const after = await hostStates(lab);
  for (const [index, node] of NODES.entries()) {
    t.deepEqual(hostStateChanges(before[index] as LabHostState, after[index] as LabHostState), {}, node);
  }
  await askHappily(lab);

  async function askHappily(one: Lab): Promise<void> {
    t.deepEqual(failureCounts(await askTimes(one, "client", "web", PORT, 20)), {});
  }
});

function hostStates(lab: Lab): Promise<readonly LabHostState[]> {
  return Promise.all(NODES.map((node) => lab.call("hostState", { node })));
}
