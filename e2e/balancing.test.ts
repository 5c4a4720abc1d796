/** Which endpoint takes a connection, and what clients notice when endpoints come and go: nothing. */
import { parsePrometheusText } from "../lab/report/prometheus-text.ts";
import type { Lab } from "../lab/lab-client.ts";
import type { LabPod } from "../lab/lab-status.ts";
import type { ConnectionRecord } from "./pods/connection-load.ts";
import { clientPod, mesh, type NodeNumber, pod, service, trafficPolicy } from "./support/cluster-documents.ts";
import { ConnectionLoad, failuresOf, servedBy } from "./support/connection-load.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { probe, serve, STORY_LOAD, tunnelled } from "./support/served-connections.ts";

const PORT = 7000;
const CLIENTS = ["client-1", "client-2", "client-3", "client-4"];

const story = await labStories([
  mesh({ encryption: "strict" }),
  ...CLIENTS.map((name) => clientPod(name, 1)),
  web("web-1", 2),
  web("web-2", 2),
  web("web-3", 3),
  service({ name: "web", number: 101, selector: { group: "web" }, ports: [PORT] }),
  service({ name: "sticky", number: 102, selector: { group: "web" }, ports: [PORT] }),
  trafficPolicy("sticky", { loadBalancer: { algorithm: "source-hash" } }),
  server("heavy", 2, "weighted", { "hawser.dev/weight": "300" }),
  server("light", 3, "weighted"),
  service({ name: "weighted", number: 103, selector: { group: "weighted" }, ports: [PORT] }),
  server("mixed-1", 1, "mixed"),
  server("mixed-2", 2, "mixed"),
  server("mixed-3", 3, "mixed"),
  service({ name: "spread", number: 104, selector: { group: "mixed" }, ports: [PORT] }),
  trafficPolicy("spread", { locality: "spread" }),
  service({ name: "near", number: 105, selector: { group: "mixed" }, ports: [PORT] }),
  trafficPolicy("near", { locality: "prefer-local" }),
]);

story("least-request uses every endpoint of a Service", async (t, lab) => {
  const served = await serve(t, lab, "client-1", { port: PORT, host: "web", connections: 300 });
  for (const name of ["web-1", "web-2", "web-3"]) t.true((served[name] ?? 0) > 50, JSON.stringify(served));
});

story("a weight of 300 takes three times the share of the default", async (t, lab) => {
  const { heavy = 0, light = 0 } = await serve(t, lab, "client-1", { port: PORT, host: "weighted", connections: 400 });
  t.is(heavy + light, 400);
  t.true(heavy > 400 * 0.65 && heavy < 400 * 0.85, `${heavy} of 400`);
});

story("source-hash keeps a client at one endpoint", async (t, lab) => {
  const served = await Promise.all(
    CLIENTS.map((client) => serve(t, lab, client, { port: PORT, host: "sticky", connections: 40, loops: 4 })),
  );
  for (const counts of served) t.is(Object.keys(counts).length, 1, JSON.stringify(counts));
  t.log(served.map((counts) => Object.keys(counts)[0]).join(" "));
});

story("a server sees each client's own address and port", async (t, lab) => {
  const load = await ConnectionLoad.start(lab, "client-1", { ...LOAD, host: "web", connections: 50 });
  for (const record of await load.finished()) t.is(record.seenByServer, record.local);
});

for (const host of ["10.96.0.104", "fd10:96::104"]) {
  story(`spread splits whole connections to ${host} between local and remote endpoints`, async (t, lab) => {
    const before = await tunnelled(lab, "node-1", "story/spread");
    const served = await serve(t, lab, "client-1", { port: PORT, host, connections: 600, requestsPerConnection: 4 });
    const local = served["mixed-1"] ?? 0;
    t.true(local > 600 * 0.24 && local < 600 * 0.43, JSON.stringify(served));
    for (const name of ["mixed-2", "mixed-3"]) t.true((served[name] ?? 0) > 600 * 0.2, JSON.stringify(served));
    await eventually("the agent to have counted the remote share, and nothing else", { timeoutMs: 4_000 }, async () => {
      return (await tunnelled(lab, "node-1", "story/spread")) - before === 600 - local;
    });
  });
}

story("prefer-local stays on the node while a local endpoint is ready", async (t, lab) => {
  const near = (): Promise<Readonly<Record<string, number>>> =>
    serve(t, lab, "client-1", { port: PORT, host: "near", connections: 60 });
  t.deepEqual(await near(), { "mixed-1": 60 });
  await lab.call("setReady", { pod: "mixed-1", ready: false });
  await eventually("remote endpoints to take over", { timeoutMs: 3_000 }, async () => {
    return (await probe(lab, "client-1", { host: "near", port: PORT })) !== "mixed-1";
  });
  const away = await near();
  t.is(away["mixed-1"], undefined, JSON.stringify(away));
  await lab.call("setReady", { pod: "mixed-1", ready: true });
  await eventually("the local endpoint to take over again", { timeoutMs: 3_000 }, async () => {
    return (await probe(lab, "client-1", { host: "near", port: PORT })) === "mixed-1";
  });
  t.deepEqual(await near(), { "mixed-1": 60 });
});

story("a pod that calls its own Service may be answered by itself", async (t, lab) => {
  t.deepEqual(await serve(t, lab, "mixed-1", { port: PORT, host: "near", connections: 20 }), { "mixed-1": 20 });
});

story("an endpoint added under load serves within a second", async (t, lab) => {
  const load = await ConnectionLoad.start(lab, "client-1", { ...LOAD, host: "web" });
  await eventually("the load to run", { timeoutMs: 5_000 }, () => load.records.length > 20);
  await lab.call("addPod", { document: web("web-4", 3) });
  await eventually("web-4 to be ready", { timeoutMs: 5_000, everyMs: 10 }, () => isReady(lab, "web-4"));
  const readyMs = Date.now();
  const first = await eventually("web-4 to serve", { timeoutMs: 5_000, everyMs: 10 }, () =>
    load.records.find((record) => record.pods.includes("web-4")),
  );
  load.stop();
  t.true(first.endedMs - readyMs < 1_000, `${first.endedMs - readyMs} ms after it was ready`);
  t.deepEqual(failuresOf(load.records), []);
});

story("an endpoint that drains gets no new connections and keeps the old ones", async (t, lab) => {
  const old = await ConnectionLoad.start(lab, "client-2", {
    ...LOAD,
    host: "web",
    connections: 24,
    loops: 24,
    requestsPerConnection: 40,
    pauseMs: 100,
  });
  const load = await ConnectionLoad.start(lab, "client-1", { ...LOAD, host: "web" });
  await eventually("the load to run", { timeoutMs: 5_000 }, () => servedBy(load.records)["web-4"] !== undefined);
  const drainedMs = Date.now();
  const removed = lab.call("removePod", { pod: "web-4", preStopSeconds: 8, graceSeconds: 1 });
  const oldRecords = await old.finished();
  load.stop();
  t.deepEqual(failuresOf(oldRecords), []);
  const oldOnes = oldRecords.filter((record) => record.pods.includes("web-4"));
  t.true(oldOnes.length > 0 && oldOnes.every((record) => record.endedMs > drainedMs + 1_000));
  t.deepEqual(failuresOf(load.records), []);
  const late = load.records.filter((one) => one.pods.includes("web-4") && one.startedMs > drainedMs + CONVERGED_MS);
  t.deepEqual(late, []);
  await removed;
});

story("an endpoint killed under load costs no new connection", async (t, lab) => {
  const load = await ConnectionLoad.start(lab, "client-1", { ...LOAD, host: "web", loops: 6 });
  await eventually("the load to run", { timeoutMs: 5_000 }, () => load.records.length > 100);
  const killedMs = await kill(lab, "web-2");
  await eventually("2 s of load", { timeoutMs: 5_000 }, () => (load.records.at(-1)?.startedMs ?? 0) > killedMs + 2_000);
  load.stop();
  const after = load.records.filter((record) => record.startedMs > killedMs);
  t.deepEqual(failuresOf(after), []);
  t.true(after.length > 200);
  t.is(servedBy(after)["web-2"], undefined);
  t.log(`${after.length} connections after the kill, slowest ${slowest(after)} ms`);
});

story("a pod deleted under load costs no new connection", async (t, lab) => {
  await lab.call("removePod", { pod: "web-2", graceSeconds: 0 });
  await lab.call("addPod", { document: web("web-2", 2) });
  const load = await ConnectionLoad.start(lab, "client-1", { ...LOAD, host: "web", loops: 6 });
  await eventually("web-2 to serve", { timeoutMs: 5_000 }, () => servedBy(load.records)["web-2"] !== undefined);
  await lab.call("removePod", { pod: "web-2", graceSeconds: 0 });
  const deletedMs = Date.now();
  await eventually(
    "2 s of load",
    { timeoutMs: 5_000 },
    () => (load.records.at(-1)?.startedMs ?? 0) > deletedMs + 2_000,
  );
  load.stop();
  const after = load.records.filter((record) => record.startedMs > deletedMs);
  t.deepEqual(failuresOf(after), []);
  t.log(`${after.length} connections after the deletion, slowest ${slowest(after)} ms`);
});

story("an endpoint that dies while the controller is away is ejected, and no new connection fails", async (t, lab) => {
  // Nobody tells the agents: only what they see for themselves can help.
  await lab.call("signalController", { signal: "SIGKILL" });
  try {
    const load = await ConnectionLoad.start(lab, "client-1", { ...LOAD, host: "web", loops: 6 });
    await eventually("the load to run", { timeoutMs: 5_000 }, () => load.records.length > 100);
    const ejectionsBefore = await ejections(lab, "node-1");
    const killedMs = await kill(lab, "web-3");
    await eventually("the agent to eject web-3", { timeoutMs: 5_000 }, async () => {
      return (await ejections(lab, "node-1")) > ejectionsBefore;
    });
    await eventually("1 s more of load", { timeoutMs: 5_000 }, () =>
      load.records.some((one) => one.startedMs > killedMs + 2_000),
    );
    load.stop();
    const after = load.records.filter((record) => record.startedMs > killedMs);
    t.deepEqual(failuresOf(after), []);
    t.is(servedBy(after)["web-3"], undefined);
    t.log(`${after.length} connections after the kill, slowest ${slowest(after)} ms`);
  } finally {
    await lab.call("startController", {});
  }
});

/** From a change until every agent acts on it. */
const CONVERGED_MS = 1_000;

const LOAD = { ...STORY_LOAD, port: PORT };

function web(name: string, node: NodeNumber): LabPod {
  return server(name, node, "web");
}

function server(name: string, node: NodeNumber, group: string, annotations: Record<string, string> = {}): LabPod {
  return pod({
    name,
    node,
    command: ["node", "e2e/pods/name-server.ts", `${PORT}`],
    port: PORT,
    labels: { group },
    annotations,
  });
}

/**
 * Gives the time at which the pod's process was gone, for which this looks often: what a dying process still accepts
 * dies with it.
 */
async function kill(lab: Lab, name: string): Promise<number> {
  await lab.call("signalPod", { pod: name, signal: "SIGKILL" });
  await eventually(`${name} to be gone`, { timeoutMs: 2_000, everyMs: 1 }, async () => {
    const { pods } = await lab.status();
    return pods.find((one) => one.name === name)?.state === "failed";
  });
  return Date.now();
}

async function isReady(lab: Lab, name: string): Promise<boolean> {
  const { pods } = await lab.status();
  return pods.find((one) => one.name === name)?.state === "ready";
}

async function ejections(lab: Lab, node: string): Promise<number> {
  const { body } = await lab.call("nodeHttp", { node, path: "/metrics" });
  return parsePrometheusText(body, "hawser_ejections_total").reduce((sum, sample) => sum + sample.value, 0);
}

function slowest(records: readonly ConnectionRecord[]): number {
  return Math.max(...records.map((record) => record.endedMs - record.startedMs));
}
