/** A cluster that gets its first agents: what they do to a node, what they let through before they know anything. */
import { rmSync } from "node:fs";
import path from "node:path";
import type { ConnectionLoadOptions } from "./pods/connection-load.ts";
import { askOnce } from "./support/ask-once.ts";
import { captured } from "./support/captured.ts";
import { clientPod, mesh, pod, service } from "./support/cluster-documents.ts";
import { ConnectionLoad } from "./support/connection-load.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { leavesNoTrace, leavesNoTraceAfterCrash } from "./support/leaves-no-trace.ts";
import { agentReady, killController, startReadyAgent, startReadyController } from "./support/mesh-processes.ts";
import { addressesOf } from "./support/addresses-of.ts";

const PORT = 7000;
const NAME_SERVER = ["node", "e2e/pods/name-server.ts", `${PORT}`];

const story = await labStories(
  [
    mesh({ encryption: "strict" }),
    clientPod("client", 1),
    clientPod("far", 2),
    pod({ name: "near", node: 1, command: NAME_SERVER, port: PORT }),
    pod({ name: "web", node: 2, command: NAME_SERVER, port: PORT }),
    service({ name: "near", number: 102, selector: { app: "near" }, ports: [PORT] }),
    service({ name: "web", number: 101, selector: { app: "web" }, ports: [PORT] }),
  ],
  { agentNodes: [] },
);

story("an agent that starts and stops leaves the node as it was", async (t, lab) => {
  await leavesNoTrace(t, lab, "node-1", "iptablesNft");
});

story("an agent that was killed, started and stopped leaves the node as it was", async (t, lab) => {
  await leavesNoTraceAfterCrash(t, lab, "node-1", "iptablesNft");
});

story(
  "strict from the first moment: an agent that has no table yet lets nothing pass between nodes",
  async (t, lab) => {
    const [ipv4 = "", ipv6 = ""] = await addressesOf(lab, "web");
    const hosts = [ipv4, ipv6, "web"];
    const inClear = await captured(lab, async () => {
      for (const host of hosts) t.is((await askOnce(lab, "client", host, PORT)).error, undefined, host);
    });
    t.true(inClear.plaintextPackets > 0, "without agents everything is in clear, and the capture sees it");
    const older = await ConnectionLoad.start(lab, "client", OLDER);

    await killController(lab);
    rmSync(path.join(lab.stateDir, "agents/node-1"), { recursive: true, force: true });
    const started = await lab.call("startAgent", { node: "node-1" });
    await eventually("the guard", { timeoutMs: 10_000 }, async () => {
      return (await lab.call("hostState", { node: "node-1" })).ip6tablesNft.includes("HAWSER");
    });
    t.not((await older.finished())[0]?.error, undefined, "a connection older than the guard went on in clear");
    const wire = await captured(lab, async () => {
      for (const host of hosts) t.is((await askOnce(lab, "client", host, PORT)).error, "ECONNREFUSED", host);
      t.is((await askOnce(lab, "far", "near", PORT)).error, "ECONNREFUSED");
      t.is((await askOnce(lab, "client", "near", PORT)).error, undefined, "the node's own traffic is not guarded");
    });
    t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));

    const encrypted = await captured(lab, async () => {
      await startReadyController(lab);
      await agentReady(lab, started);
      await startReadyAgent(lab, { node: "node-2" });
      for (const host of hosts) {
        await eventually(`${host} to be served through tunnels`, { timeoutMs: 5_000 }, async () => {
          return (await askOnce(lab, "client", host, PORT)).error === undefined;
        });
      }
    });
    t.is(encrypted.plaintextPackets, 0, encrypted.plaintextSamples.join("\n"));
    t.deepEqual(encrypted.tlsVersions, ["TLSv1.3"]);
  },
);

/** One connection that would go on for a minute. */
const OLDER: ConnectionLoadOptions = {
  host: "web",
  port: PORT,
  loops: 1,
  connections: 1,
  seconds: 60,
  requestsPerConnection: 600,
  pauseMs: 100,
};
