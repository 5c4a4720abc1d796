/** Who belongs to the mesh is said by labels and annotations, and can be changed while connections are made. */
import type { ExecutionContext } from "ava";
import type { Lab } from "../../lab/lab-client.ts";
import type { WireSummary } from "../../lab/lab-status.ts";
import { askTimes } from "../support/ask-once.ts";
import { captured } from "../support/captured.ts";
import { clientPod, mesh, STORY_NAMESPACE } from "../support/cluster-documents.ts";
import { failureCounts } from "../support/connection-load.ts";
import { eventually } from "../support/eventually.ts";
import { kubectl } from "../support/kubectl.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { webServer, WEB_PORT } from "../support/web-cluster.ts";

const CONNECTIONS = 5;

const story = await kubernetesStories([mesh({ encryption: "strict" }), clientPod("client", 1), webServer("web-2", 2)]);

story("a namespace leaves the mesh and comes back by its label, live", async (t, lab) => {
  const host = await addressOf(lab, "web-2");
  t.is((await asked(t, lab, host)).plaintextPackets, 0);

  const label = (value: string): Promise<string> =>
    kubectl(lab, ["label", "--overwrite", "namespace", STORY_NAMESPACE, `hawser.dev/mesh=${value}`]);
  await label("disabled");
  await eventually("traffic to go past the mesh", { timeoutMs: 10_000 }, async () => {
    return (await asked(t, lab, host)).plaintextPackets > 0;
  });

  await label("enabled");
  await eventually("traffic to be meshed again", { timeoutMs: 10_000 }, async () => {
    return (await asked(t, lab, host)).plaintextPackets === 0;
  });
});

story("a pod stays outside the mesh by its annotation", async (t, lab) => {
  const outside = webServer("web-3", 3);
  const annotations = { "hawser.dev/mesh": "disabled" };
  const document = { ...outside, metadata: { ...outside.metadata, annotations } };
  const { ips } = await lab.call("addPod", { document });
  await eventually("the pod to answer in clear", { timeoutMs: 15_000 }, async () => {
    return (await asked(t, lab, ips[0] ?? "")).plaintextPackets > 0;
  });
});

/** Whatever becomes of the connections shows on the wire; none may fail once the pod is known. */
async function asked(t: ExecutionContext, lab: Lab, host: string): Promise<WireSummary> {
  return captured(lab, async () => {
    t.deepEqual(failureCounts(await askTimes(lab, "client", host, WEB_PORT, CONNECTIONS)), {});
  });
}

async function addressOf(lab: Lab, name: string): Promise<string> {
  const { pods } = await lab.status();
  return pods.find((pod) => pod.name === name)?.ips[0] ?? "";
}
