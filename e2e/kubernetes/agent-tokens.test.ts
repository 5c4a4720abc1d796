/** What a token is good for: nothing but the identities of the one node whose agent it belongs to. */
import type { Lab } from "../../lab/lab-client.ts";
import type { TheftOptions, TheftResult } from "../pods/token-thief.ts";
import { STORY_NAMESPACE } from "../support/cluster-documents.ts";
import { eventually } from "../support/eventually.ts";
import { kubectl } from "../support/kubectl.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { meshPods } from "../support/mesh-pods.ts";
import { logRecords } from "../support/process-log.ts";
import { runProgram } from "../support/run-program.ts";
import { webCluster } from "../support/web-cluster.ts";

const CONTROLLER = "wss://hawser-controller.hawser-system.svc:15012";
const AGENT_TOKEN = "/var/run/secrets/hawser/token/token";
const POD_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/** Of the pods on node 1 and on node 2. */
const OWN_IDENTITY = identity("client");
const OTHER_IDENTITY = identity("web-2");

const story = await kubernetesStories(webCluster());

story("an agent's token gets certificates of its own node's identities only", async (t, lab) => {
  const agent = await agentOf(lab, "node-1");
  const token = { file: AGENT_TOKEN };
  const own = await steal(lab, agent, { controller: CONTROLLER, token, node: "node-1", identity: OWN_IDENTITY });
  t.is(own.answer?.kind, "certificate");
  const other = await steal(lab, agent, { controller: CONTROLLER, token, node: "node-1", identity: OTHER_IDENTITY });
  t.is(other.answer?.kind, "sign-refused");
  t.regex(other.answer?.reason ?? "", /No pod with identity .*web-2 is on node node-1/);
  await controllerLogged(lab, "the refusal", (text) => text.includes(OTHER_IDENTITY) && text.includes("refused"));
});

story("an agent's token does not open a channel in another node's name", async (t, lab) => {
  const agent = await agentOf(lab, "node-1");
  const options = { controller: CONTROLLER, token: { file: AGENT_TOKEN }, node: "node-2", identity: OTHER_IDENTITY };
  const result = await steal(lab, agent, options);
  t.is(result.answer, undefined);
  t.truthy(result.closed);
  await controllerLogged(lab, "the wrong node", (text) => text.includes("token is that of node-1, hello says node-2"));
});

story("a pod's own token opens no channel, nor does one that it had made for the controller", async (t, lab) => {
  const base = { controller: CONTROLLER, node: "node-1", identity: OWN_IDENTITY };
  const own = await steal(lab, "client", { ...base, token: { file: POD_TOKEN } });
  t.is(own.httpStatus, 401);
  await controllerLogged(lab, "the audience", (text) => text.includes("token-audience"));

  const text = await kubectl(lab, [
    "--namespace",
    STORY_NAMESPACE,
    "create",
    "token",
    "client",
    "--audience",
    "hawser",
  ]);
  const made = await steal(lab, "client", { ...base, token: { text: text.trim() } });
  t.is(made.httpStatus, 401);
  await controllerLogged(lab, "the account", (line) => line.includes("token-account"));
});

story("a token of the agents' account that is bound to no pod opens no channel", async (t, lab) => {
  const args = ["--namespace", "hawser-system", "create", "token", "hawser-agent", "--audience", "hawser"];
  const token = { text: (await kubectl(lab, args)).trim() };
  const options = { controller: CONTROLLER, token, node: "node-1", identity: OWN_IDENTITY };
  t.is((await steal(lab, "client", options)).httpStatus, 401);
  await controllerLogged(lab, "the missing node", (text) => text.includes("token-node"));
});

function identity(account: string): string {
  return `spiffe://cluster.local/ns/${STORY_NAMESPACE}/sa/${account}`;
}

async function agentOf(lab: Lab, node: string): Promise<string> {
  const agent = (await meshPods(lab, "agent")).find((pod) => pod.node === node);
  if (agent === undefined) throw new Error(`${node} has no agent`);
  return agent.uid;
}

function steal(lab: Lab, target: string, options: TheftOptions): Promise<TheftResult> {
  return runProgram(lab, target, "token-thief.ts", [JSON.stringify(options)]);
}

/** By whichever replica it was. */
async function controllerLogged(lab: Lab, what: string, wanted: (line: string) => boolean): Promise<void> {
  await eventually(`a controller to log ${what}`, { timeoutMs: 10_000 }, async () => {
    const controllers = await meshPods(lab, "controller");
    const files = controllers.map(({ namespace, name }) => `pods/${namespace}.${name}.log`);
    return files.some((file) => logRecords(lab, file).some((record) => wanted(JSON.stringify(record))));
  });
}
