/** How agents find out which way of interception a node needs, at their start and later. */
import { existsSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import type { Lab } from "../lab/lab-client.ts";
import { askOnce } from "./support/ask-once.ts";
import { clientPod, mesh, pod, service } from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { endAgent, startReadyAgent } from "./support/mesh-processes.ts";
import { eventuallyLogged, logRecords } from "./support/process-log.ts";

const PORT = 7000;
const NODE = "node-1";
const SYSCTL = "/proc/sys/net/bridge/bridge-nf-call-iptables";

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  pod({ name: "web", node: 2, command: ["node", "e2e/pods/name-server.ts", `${PORT}`], port: PORT }),
  service({ name: "web", number: 101, selector: { app: "web" }, ports: [PORT] }),
]);

story("an agent uses TPROXY while iptables does not see bridged packets", async (t, lab) => {
  t.is(await modeOf(lab), "tproxy");
  t.regex(await lab.call("rules", { node: NODE }), /TPROXY/);
});

const bridgeStory = existsSync(SYSCTL) ? story : (title: string): void => test.serial.skip(title, (t) => t.fail());

bridgeStory("when br_netfilter is switched on, an agent redirects within seconds, and says why", async (t, lab) => {
  t.is((await lab.exec(NODE, ["sh", "-c", `echo 1 > ${SYSCTL}`])).exitCode, 0);
  const line = await eventuallyLogged(
    lab,
    `agent-${NODE}.log`,
    "the choice",
    ({ event }) => event === "intercept-mode",
  );
  t.like(line, { mode: "redirect", reason: "pods are on the bridge pods and net.bridge.bridge-nf-call-iptables is 1" });
  await eventually("the rules to redirect", { timeoutMs: 5_000 }, async () => {
    return !(await lab.call("rules", { node: NODE })).includes("TPROXY");
  });
  await served(t, lab);
  t.is(await modeOf(lab), "redirect");
});

bridgeStory("an agent that starts there redirects from its first rules on", async (t, lab) => {
  const before = logRecords(lab, `agent-${NODE}.log`).length;
  await endAgent(lab, { node: NODE }, "SIGKILL");
  await startReadyAgent(lab, { node: NODE });
  const records = logRecords(lab, `agent-${NODE}.log`).slice(before);
  t.true(records.some(({ event }) => event === "intercept-mode"));
  await served(t, lab);
});

async function served(t: ExecutionContext, lab: Lab): Promise<void> {
  const { error, local, seenByServer } = await askOnce(lab, "client", "web", PORT);
  t.is(error, undefined);
  t.is(seenByServer, local);
}

/** As the agent's configuration dump has it. */
async function modeOf(lab: Lab): Promise<string> {
  const { body } = await lab.call("nodeHttp", { node: NODE, path: "/config_dump" });
  return (JSON.parse(body) as { interception: { intercept: { mode: string } } }).interception.intercept.mode;
}
