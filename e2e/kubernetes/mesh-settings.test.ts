/** An edit of the ConfigMap is in force everywhere at once, or nowhere and says why. */
import type { Lab } from "../../lab/lab-client.ts";
import { askOnce } from "../support/ask-once.ts";
import { eventually } from "../support/eventually.ts";
import { kubectl, kubeObject, mergePatch } from "../support/kubectl.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { agentDump, meshPods, SYSTEM_NAMESPACE, tablePositions } from "../support/mesh-pods.ts";
import { webCluster, WEB_PORT } from "../support/web-cluster.ts";

const NODES = ["node-1", "node-2", "node-3"];
/** The stated target, from the API server's answer to the last agent. */
const TARGET_MS = 1_000;
const EDITS = 10;

interface Event {
  readonly reason: string;
  readonly message: string;
  readonly involvedObject: { readonly kind: string; readonly name: string };
}

const story = await kubernetesStories(webCluster());

story("an edit of the ConfigMap is in force on all agents within a second", async (t, lab) => {
  const tookMs: number[] = [];
  for (let edit = 0; edit < EDITS; edit += 1) {
    const locality = edit % 2 === 0 ? "spread" : "prefer-local";
    await editMesh(lab, `encryption: strict\n  locality: ${locality}`);
    const answeredMs = Date.now();
    await eventually(`${locality} on all agents`, { timeoutMs: 10_000, everyMs: 5 }, async () => {
      const dumps = await Promise.all(NODES.map((node) => agentDump(lab, node)));
      return dumps.every(({ table }) => table?.mesh["locality"] === locality);
    });
    tookMs.push(Date.now() - answeredMs);
  }
  t.log(`in force on all agents after: ${tookMs.join(", ")} ms`);
  t.true(Math.max(...tookMs) < TARGET_MS);
});

story("a wrong edit changes nothing, and an Event and the controllers say what is wrong and where", async (t, lab) => {
  const before = await tablePositions(lab);
  await editMesh(lab, "encryption: stric");
  const event = await eventually("an Event about it", { timeoutMs: 10_000 }, async () => {
    const { items } = await kubeObject<{ items: readonly Event[] }>(lab, SYSTEM_NAMESPACE, "events");
    return items.find(({ involvedObject, message }) => involvedObject.name === "hawser" && message.includes("stric"));
  });
  t.log(`${event.reason}: ${event.message}`);
  t.is(event.involvedObject.kind, "ConfigMap");
  t.regex(event.message, /mesh\.yaml:\d+:\d+/);
  for (const { uid } of await meshPods(lab, "controller")) {
    const { body } = await lab.call("podHttp", { pod: uid, port: 15010, path: "/status" });
    t.true(body.includes("stric"), body);
  }
  t.deepEqual(await tablePositions(lab), before);
  t.is((await askOnce(lab, "client", "web", WEB_PORT)).error, undefined);

  await editMesh(lab, "encryption: strict");
  await eventually("the problem to be gone", { timeoutMs: 10_000 }, async () => {
    const answer = await lab.call("controllerHttp", { path: "/status" });
    return !answer.body.includes("stric,") && (JSON.parse(answer.body) as { problems: object[] }).problems.length === 0;
  });
});

story("a ConfigMap that is deleted and made again leaves the mesh as it was meanwhile", async (t, lab) => {
  const before = await tablePositions(lab);
  const object = await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "get", "configmap/hawser", "--output", "json"]);
  await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "delete", "configmap/hawser"]);
  t.is((await askOnce(lab, "client", "web", WEB_PORT)).error, undefined);
  const { metadata, ...rest } = JSON.parse(object) as { metadata: { name: string; namespace: string } };
  const fresh = { ...rest, metadata: { name: metadata.name, namespace: metadata.namespace } };
  await kubectl(lab, ["create", "--filename", "-"], JSON.stringify(fresh));
  t.is((await askOnce(lab, "client", "web", WEB_PORT)).error, undefined);
  t.deepEqual(await tablePositions(lab), before);
});

/** `spec`: lines of the Mesh document's spec. */
async function editMesh(lab: Lab, spec: string): Promise<void> {
  const text = `apiVersion: hawser.dev/v1\nkind: Mesh\nmetadata:\n  name: mesh\nspec:\n  ${spec}\n`;
  await mergePatch(lab, SYSTEM_NAMESPACE, "configmap/hawser", { data: { "mesh.yaml": text } });
}
