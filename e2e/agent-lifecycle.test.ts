/** What clients notice when an agent dies, is replaced, is disturbed, or starts alone: as little as was promised. */
import type { ExecutionContext } from "ava";
import type { Lab } from "../lab/lab-client.ts";
import type { ConnectionLoadOptions, ConnectionRecord } from "./pods/connection-load.ts";
import { clientPod, mesh, pod, service } from "./support/cluster-documents.ts";
import { captured } from "./support/captured.ts";
import { askOnce } from "./support/ask-once.ts";
import { ConnectionLoad, failureCounts } from "./support/connection-load.ts";
import { eventually } from "./support/eventually.ts";
import { labStories, podsAreBridged } from "./support/lab-stories.ts";
import {
  agentEnded,
  agentLogFile,
  converged,
  endAgent,
  killController,
  metricOf,
  startReadyAgent,
  startReadyController,
} from "./support/mesh-processes.ts";
import { logRecords } from "./support/process-log.ts";

const PORT = 7000;
const CLIENT_NODE = "node-1";
const SERVER_NODE = "node-2";

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  clientPod("other", 1),
  pod({ name: "web", node: 2, command: ["node", "e2e/pods/name-server.ts", `${PORT}`], port: PORT }),
  service({ name: "web", number: 101, selector: { app: "web" }, ports: [PORT] }),
]);

for (const [node, side] of [
  [CLIENT_NODE, "client"],
  [SERVER_NODE, "server"],
] as const) {
  story(
    `the agent on the ${side}'s node is killed under load: nothing in clear, and back within 2 s`,
    async (t, lab) => {
      const wire = await captured(lab, async () => {
        const load = await ConnectionLoad.start(lab, "client", STEADY);
        const old = await ConnectionLoad.start(lab, "other", LONG);
        await eventually("the load to run", { timeoutMs: 5_000 }, () => load.records.length > 50);
        await endAgent(lab, { node }, "SIGKILL");
        await phase(700);
        const restartedMs = Date.now();
        await lab.call("startAgent", { node });
        const first = await eventually("a connection to be served again", { timeoutMs: 15_000 }, () =>
          load.records.find((record) => record.error === undefined && record.endedMs > restartedMs),
        );
        t.log(`serving ${first.endedMs - restartedMs} ms after its start`);
        t.true(first.endedMs - restartedMs < 2_000, `${first.endedMs - restartedMs} ms`);
        await eventually("connections to be served steadily", { timeoutMs: 5_000 }, () => {
          return load.records
            .slice(-20)
            .every((record) => record.error === undefined && record.startedMs > restartedMs);
        });
        const [broken] = await old.finished();
        t.not(broken?.error, undefined, "a connection outlived the agent that carried it");
        load.stop();
      });
      t.true(wire.packets > 100);
      t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
      await converged(lab);
    },
  );
}

for (const [node, side] of [
  [CLIENT_NODE, "client"],
  [SERVER_NODE, "server"],
] as const) {
  story(
    `the agent on the ${side}'s node is upgraded: no new connection fails, an old one ends in its own time`,
    async (t, lab) => {
      const load = await ConnectionLoad.start(lab, "client", { ...STEADY, everyMs: 10 });
      const old = await ConnectionLoad.start(lab, "other", LONG);
      await eventually("the load to run", { timeoutMs: 5_000 }, () => load.records.length > 50);
      await upgrade(t, lab, node, "1", "2");
      const during = await load.end();
      t.deepEqual(failureCounts(during), {});
      const [finished] = await old.finished();
      t.is(finished?.error, undefined);
      t.is(finished?.answers, LONG.requestsPerConnection);
      t.log(`${during.length} connections, slowest ${slowest(during)} ms`);
      // And back, so that the next story finds what it expects.
      await upgrade(t, lab, node, "2", "1");
      await converged(lab);
    },
  );
}

// Whose the rules are does not depend on what they look like: once is enough for the time it takes.
if (!podsAreBridged) {
  story(
    "an upgrade that is taken back, or whose new agent dies, leaves the node to the agent it had",
    async (t, lab) => {
      const node = CLIENT_NODE;
      const wire = await captured(lab, async () => {
        const load = await ConnectionLoad.start(lab, "client", { ...STEADY, everyMs: 10 });
        await eventually("the load to run", { timeoutMs: 5_000 }, () => load.records.length > 50);
        await superseded(lab, node);
        const ended = await endAgent(lab, { node, instance: "2" }, "SIGTERM");
        t.is(ended.exit?.code, 0);
        await phase(500);
        t.deepEqual(failureCounts(load.records), {});

        await superseded(lab, node);
        await endAgent(lab, { node, instance: "2" }, "SIGKILL");
        const killedMs = Date.now();
        await eventually("the first agent to serve again", { timeoutMs: 8_000 }, () => {
          return load.records.slice(-20).every((record) => record.error === undefined && record.startedMs > killedMs);
        });
        t.log(`served ${Date.now() - killedMs} ms after the new agent's death`);
        load.stop();
      });
      t.true(wire.packets > 100);
      t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
      await eventually("the first agent to answer probes again", { timeoutMs: 5_000 }, async () => {
        return (await lab.call("nodeHttp", { node, path: "/readyz" })).status === 200;
      });
      await converged(lab);
    },
  );
}

/** The table of the one route "everything is local": DELIVER_TABLE in agent/netfilter/marks.ts. */
const ROUTE_TABLE = "15008";
/** As a restarted firewall would do it, and as nobody should. */
const DAMAGE = {
  "flushed rules": [
    "iptables-nft -t mangle -F",
    "ip6tables-nft -t mangle -F",
    "iptables-nft -t nat -F PREROUTING",
    "iptables-nft -F",
  ],
  "emptied sets and deleted routes": [
    "ipset flush",
    `ip -4 rule del lookup ${ROUTE_TABLE}`,
    `ip -6 rule del lookup ${ROUTE_TABLE}`,
    `ip -4 route flush table ${ROUTE_TABLE}`,
  ],
} as const;

story("what others damage in the kernel is repaired within seconds, and counted", async (t, lab) => {
  const before = await lab.call("rules", { node: CLIENT_NODE });
  for (const [what, commands] of Object.entries(DAMAGE)) {
    const repairs = await metricOf(lab, CLIENT_NODE, "hawser_rule_repairs_total");
    const result = await lab.exec(CLIENT_NODE, ["sh", "-e", "-c", commands.join("\n")]);
    t.is(result.exitCode, 0, `${what}: ${result.stderr}`);
    await eventually(`${what} to be repaired and counted`, { timeoutMs: 8_000, everyMs: 100 }, async () => {
      if ((await lab.call("rules", { node: CLIENT_NODE })) !== before) return false;
      return (await metricOf(lab, CLIENT_NODE, "hawser_rule_repairs_total")) > repairs;
    });
    t.is((await askOnce(lab, "client", "web", PORT)).error, undefined, what);
  }
  const destroyed = await lab.exec(CLIENT_NODE, ["ipset", "destroy"]);
  t.not(destroyed.exitCode, 0, "sets in use cannot be destroyed");
  t.is(await lab.call("rules", { node: CLIENT_NODE }), before);
});

story("rules that nobody touches are checked without starting a program", async (t, lab) => {
  const count = (event: string): Promise<number> =>
    metricOf(lab, CLIENT_NODE, "hawser_control_events_total", { component: "netfilter", event });
  const before = await count("quick-check");
  await eventually("a few checks", { timeoutMs: 20_000, everyMs: 200 }, async () => {
    return (await count("quick-check")) >= before + 3;
  });
  t.is(await count("watch-failed"), 0);
  t.true((await count("full-check")) > 0, "others were full ones");
});

story("an agent that starts while the controller is away serves from its disk", async (t, lab) => {
  const sequence = await metricOf(lab, CLIENT_NODE, "hawser_table_sequence");
  t.true(sequence > 0);
  await killController(lab);
  for (const node of [CLIENT_NODE, SERVER_NODE]) {
    await endAgent(lab, { node }, "SIGKILL");
    await startReadyAgent(lab, { node });
  }
  const load = await ConnectionLoad.start(lab, "client", { ...STEADY, connections: 100 });
  t.deepEqual(failureCounts(await load.finished()), {});
  t.is(await metricOf(lab, CLIENT_NODE, "hawser_channel_connected"), 0);
  t.is(await metricOf(lab, CLIENT_NODE, "hawser_table_sequence"), sequence);
  await startReadyController(lab);
  await converged(lab);
});

/** Both connections dial by the Service's name. */
const STEADY: ConnectionLoadOptions = {
  host: "web",
  port: PORT,
  loops: 0,
  everyMs: 20,
  seconds: 60,
  requestsPerConnection: 1,
  pauseMs: 1,
};
/** One connection of six seconds. */
const LONG: ConnectionLoadOptions = {
  host: "web",
  port: PORT,
  loops: 1,
  connections: 1,
  seconds: 60,
  requestsPerConnection: 60,
  pauseMs: 100,
};

/** A second agent beside the first, then the first stops in order. */
async function upgrade(t: ExecutionContext, lab: Lab, node: string, from: string, to: string): Promise<void> {
  await startReadyAgent(lab, { node, instance: to });
  await lab.call("signalAgent", { node, instance: from, signal: "SIGTERM" });
  const ended = await agentEnded(lab, { node, instance: from }, 30_000);
  t.is(ended.exit?.code, 0);
  const stopped = logRecords(lab, agentLogFile({ node, instance: from })).findLast(({ event }) => event === "stopped");
  t.is(stopped?.["aborted"], 0);
}

/** A second agent beside the first; resolves when the first one has noticed. */
async function superseded(lab: Lab, node: string): Promise<void> {
  const times = (): number =>
    logRecords(lab, agentLogFile({ node })).filter(({ event }) => event === "superseded").length;
  const before = times();
  await startReadyAgent(lab, { node, instance: "2" });
  await eventually("the first agent to notice the second", { timeoutMs: 10_000 }, () => times() > before);
}

function slowest(records: readonly ConnectionRecord[]): number {
  return Math.max(...records.map((record) => record.endedMs - record.startedMs));
}

/** The length of a phase of the story, not a wait for something. */
function phase(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
