/** The controller may be away, come back and change its mind: traffic does not notice, agents follow. */
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import type { Lab } from "../lab/lab-client.ts";
import type { TableSnapshot } from "../protocol/table.ts";
import type { ConnectionLoadOptions } from "./pods/connection-load.ts";
import { askOnce } from "./support/ask-once.ts";
import { clientPod, mesh, type NodeNumber, pod, service } from "./support/cluster-documents.ts";
import { ConnectionLoad, failureCounts, servedBy } from "./support/connection-load.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import {
  converged,
  endAgent,
  killController,
  metricOf,
  startReadyAgent,
  startReadyController,
} from "./support/mesh-processes.ts";
import { eventuallyLogged } from "./support/process-log.ts";
import { programCommand } from "./support/run-program.ts";

const PORT = 7000;

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  server("web-2", 2, "web"),
  service({ name: "web", number: 101, selector: { group: "web" }, ports: [PORT] }),
  server("mixed-1", 1, "mixed"),
  server("mixed-2", 2, "mixed"),
  service({ name: "mixed", number: 102, selector: { group: "mixed" }, ports: [PORT] }),
]);

story(
  "traffic does not notice that the controller is away; pods added meanwhile join when it is back",
  async (t, lab) => {
    const load = await ConnectionLoad.start(lab, "client", LOAD);
    await eventually("the load to run", { timeoutMs: 5_000 }, () => load.records.length > 20);
    await killController(lab);
    const { ips } = await lab.call("addPod", { document: server("web-3", 3, "web") });
    const killedMs = Date.now();
    await eventually(
      "2 s of load",
      { timeoutMs: 5_000 },
      () => (load.records.at(-1)?.startedMs ?? 0) > killedMs + 2_000,
    );
    t.is(servedBy(load.records)["web-3"], undefined);

    await startReadyController(lab);
    const readyMs = Date.now();
    await eventually(
      "the new pod to serve",
      { timeoutMs: 10_000 },
      () => servedBy(load.records)["web-3"] !== undefined,
    );
    t.log(`the new pod serves ${Date.now() - readyMs} ms after the controller is back`);
    for (const ip of ips) t.is((await askOnce(lab, "client", ip, PORT)).error, undefined, ip);
    t.deepEqual(failureCounts(await load.end()), {});
  },
);

story("agents that stopped at different tables converge, also on a controller that was restarted", async (t, lab) => {
  await endAgent(lab, { node: "node-2" }, "SIGKILL");
  const first = await changeTable(lab, 1);
  await endAgent(lab, { node: "node-3" }, "SIGKILL");
  const second = await changeTable(lab, 2);
  t.true(second > first);
  await killController(lab);
  await startReadyController(lab);
  const sequence = await changeTable(lab, 3);
  for (const node of ["node-2", "node-3"]) await startReadyAgent(lab, { node });
  await eventually("all agents to have the same table", { timeoutMs: 10_000 }, async () => {
    const { controller, agents } = await lab.status();
    return agents.every((agent) => agent.appliedSequence === controller?.sequence);
  });
  t.true((await converged(lab)) >= sequence);
  const dumps = await Promise.all(["node-1", "node-2", "node-3"].map((node) => tableOf(lab, node)));
  t.deepEqual(dumps[1], dumps[0]);
  t.deepEqual(dumps[2], dumps[0]);
  const load = await ConnectionLoad.start(lab, "client", { ...LOAD, connections: 60 });
  t.deepEqual(failureCounts(await load.finished()), {});
});

story("a controller with the same table under another name disturbs nobody: no rule, no connection", async (t, lab) => {
  const load = await ConnectionLoad.start(lab, "client", { ...LOAD, requestsPerConnection: 1_000, pauseMs: 5 });
  const before = await kernelState(lab, "node-1");
  const { epoch } = await tableOf(lab, "node-1");
  await killController(lab);
  // What another replica has: the same documents, and a count of its own.
  for (const name of ["table.json", "position.json"]) rmSync(path.join(lab.stateDir, "controller", name));
  await startReadyController(lab);
  await eventually("the agent to have the other controller's table", { timeoutMs: 10_000 }, async () => {
    return (await tableOf(lab, "node-1")).epoch !== epoch;
  });
  await converged(lab);
  t.deepEqual(await kernelState(lab, "node-1"), before);
  const records = await load.end();
  t.deepEqual(failureCounts(records), {});
  t.true(
    records.every(({ answers }) => answers === 1_000),
    "no connection was cut",
  );
});

story("a changed document is in force within a second", async (t, lab) => {
  const load = await ConnectionLoad.start(lab, "client", { ...LOAD, host: "mixed", everyMs: 10 });
  await eventually("the load to run", { timeoutMs: 5_000 }, () => load.records.length > 50);
  t.deepEqual(Object.keys(servedBy(load.records)), ["mixed-1"], "prefer-local is the default");
  const changedMs = Date.now();
  await lab.call("applyDocuments", { file: "mesh.yaml", text: meshText({ locality: "spread" }) });
  const remote = await eventually("the remote endpoint to take its share", { timeoutMs: 10_000 }, () =>
    load.records.find((record) => record.pods.includes("mixed-2")),
  );
  t.log(`in force after ${remote.startedMs - changedMs} ms`);
  t.true(remote.startedMs - changedMs < 1_000, `${remote.startedMs - changedMs} ms`);
  await lab.call("applyDocuments", { file: "mesh.yaml", text: meshText({ locality: "prefer-local" }) });
  const changedBackMs = Date.now();
  await eventually("1.5 s more of load", { timeoutMs: 5_000 }, () => {
    return (load.records.at(-1)?.startedMs ?? 0) > changedBackMs + 1_500;
  });
  const records = await load.end();
  t.deepEqual(failureCounts(records), {});
  const late = records.filter(({ startedMs }) => startedMs > changedBackMs + 1_000);
  t.deepEqual(Object.keys(servedBy(late)), ["mixed-1"]);
});

story("an agent with a wrong token, or another node's, is refused, and serves on from its disk", async (t, lab) => {
  const file = path.join(lab.stateDir, "controller/tokens/node-3");
  const token = readFileSync(file, "utf8");
  const wrong = {
    token: `${randomBytes(32).toString("base64url")}\n`,
    "wrong-node": readFileSync(path.join(lab.stateDir, "controller/tokens/node-2"), "utf8"),
  };
  for (const [reason, text] of Object.entries(wrong)) {
    await endAgent(lab, { node: "node-3" }, "SIGKILL");
    const refusals = await refused(lab, reason);
    writeFileSync(file, text);
    await startReadyAgent(lab, { node: "node-3" });
    await eventually(`the controller to refuse: ${reason}`, { timeoutMs: 10_000 }, async () => {
      return (await refused(lab, reason)) > refusals;
    });
    t.is((await askOnce(lab, "client", "web", PORT)).error, undefined);
  }
  await eventuallyLogged(lab, "agent-node-3.log", "why it has no channel", ({ level, error }) => {
    return level === "warn" && /401/.test(String(error));
  });
  writeFileSync(file, token);
  await eventually("the agent to be let in again", { timeoutMs: 10_000 }, async () => {
    return (await metricOf(lab, "node-3", "hawser_channel_connected")) === 1;
  });
  await converged(lab);
});

const LOAD: ConnectionLoadOptions = {
  host: "web",
  port: PORT,
  loops: 2,
  seconds: 60,
  requestsPerConnection: 1,
  pauseMs: 10,
};

/** Without effect on traffic. Resolves with the sequence of the table, once the controller has it. */
async function changeTable(lab: Lab, consecutiveFailures: number): Promise<number> {
  const before = (await lab.status()).controller?.sequence ?? 0;
  await lab.call("applyDocuments", { file: "mesh.yaml", text: meshText({ ejection: { consecutiveFailures } }) });
  return eventually("the controller to publish a table", { timeoutMs: 5_000 }, async () => {
    const sequence = (await lab.status()).controller?.sequence ?? 0;
    return sequence > before && sequence;
  });
}

function meshText(spec: object): string {
  return stringify(mesh({ encryption: "strict", ...spec }));
}

async function tableOf(lab: Lab, node: string): Promise<TableSnapshot> {
  const { body } = await lab.call("nodeHttp", { node, path: "/config_dump" });
  return (JSON.parse(body) as { table: TableSnapshot }).table;
}

/** Generations of the node's rules, sets and routes: any write changes it. */
async function kernelState(lab: Lab, node: string): Promise<string> {
  const program = programCommand("watch-kernel.ts", []).join(" ");
  const { stdout, stderr } = await lab.exec(node, ["sh", "-c", `echo nft | ${program}`]);
  if (!stdout.includes("tables")) throw new Error(`Cannot read the state of ${node}: ${stderr}`);
  return stdout;
}

function refused(lab: Lab, reason: string): Promise<number> {
  return metricOf(lab, "controller", "hawser_controller_connections_refused_total", { reason });
}

function server(name: string, node: NodeNumber, group: string): ReturnType<typeof pod> {
  const command = ["node", "e2e/pods/name-server.ts", `${PORT}`];
  return pod({ name, node, command, port: PORT, labels: { group } });
}
