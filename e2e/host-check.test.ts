/** What an agent's program does once: looks at a host without changing it, and takes away what a crashed agent has left. */
import path from "node:path";
import type { ExecutionContext } from "ava";
import type { Lab } from "../lab/lab-client.ts";
import type { Finding } from "../protocol/finding.ts";
import { mesh } from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { hostStateChanges } from "./support/host-state-changes.ts";
import { labStories } from "./support/lab-stories.ts";
import { agentLogFile, endAgent, startReadyAgent } from "./support/mesh-processes.ts";
import { logRecords } from "./support/process-log.ts";

const NODE = "node-1";
const AGENT = path.resolve(import.meta.dirname, "../agent/main.ts");

const story = await labStories([mesh()]);

story("a node of the lab is fit, and a check leaves no trace on it", async (t, lab) => {
  await endAgent(lab, { node: NODE }, "SIGTERM");
  const before = await lab.call("hostState", { node: NODE });
  const findings = await check(t, lab);
  // What the machine of the test is like is not the lab's to say.
  const ofTheNode = findings.filter(({ subject }) => !["clock", "state directory", "MTU"].includes(subject));
  t.deepEqual(
    ofTheNode.filter(({ level }) => level === "failed"),
    [],
  );
  t.true(findings.length > 10);
  t.deepEqual(hostStateChanges(before, await lab.call("hostState", { node: NODE })), {});
});

story("beside an agent that serves, its own rules and marks are nobody else's", async (t, lab) => {
  await startReadyAgent(lab, { node: NODE });
  const findings = await check(t, lab);
  t.like(
    findings.find(({ subject }) => subject === "mark bits"),
    { level: "ok" },
  );
});

story("traces are not taken from an agent that runs, and go when it has crashed", async (t, lab) => {
  const state = path.join(lab.stateDir, "agents", NODE);
  const refused = await lab.exec(NODE, ["node", AGENT, "--remove-traces", "--state-dir", state]);
  t.is(refused.exitCode, 1);
  t.regex(refused.stderr, /stop it first/);
  await endAgent(lab, { node: NODE }, "SIGKILL");
  t.true((await lab.call("hostState", { node: NODE })).iptablesNft.includes("HAWSER"));
  const removed = await lab.exec(NODE, ["node", AGENT, "--remove-traces", "--state-dir", state]);
  t.is(removed.exitCode, 0, removed.stderr);
  const after = JSON.stringify(await lab.call("hostState", { node: NODE }));
  t.false(/HAWSER|hawser/.test(after));
});

story("an agent that is succeeded gives its ports to the new one before it is told to go", async (t, lab) => {
  await startReadyAgent(lab, { node: NODE });
  const second = await startReadyAgent(lab, { node: NODE, instance: "2" });
  await untilAdminIs(lab, second.pid);
  t.true(logRecords(lab, agentLogFile({ node: NODE })).some(({ event }) => event === "superseded"));
  const { agents } = await lab.status();
  t.is(agents.filter(({ node, state }) => node === NODE && state === "running").length, 2);
});

/** Resolves when the node's admin port is that of process `pid`. */
async function untilAdminIs(lab: Lab, pid: number): Promise<void> {
  await eventually("the new agent to have the admin port", { timeoutMs: 10_000 }, async () => {
    const answer = await lab.call("nodeHttp", { node: NODE, path: "/config_dump" }).catch(() => undefined);
    return answer?.status === 200 && answer.body.includes(`"instance": "${pid}-`);
  });
}

async function check(t: ExecutionContext, lab: Lab): Promise<readonly Finding[]> {
  const { stdout, stderr } = await lab.exec(NODE, ["node", AGENT, "--check", "--json"]);
  t.is(stderr, "");
  return JSON.parse(stdout) as readonly Finding[];
}
