/** The same promises on a host whose rules are in legacy iptables. */
import { askOnce } from "./support/ask-once.ts";
import { captured } from "./support/captured.ts";
import { clientPod, mesh, pod, service } from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { leavesNoTrace, leavesNoTraceAfterCrash } from "./support/leaves-no-trace.ts";
import { metricOf } from "./support/mesh-processes.ts";
import { addressesOf } from "./support/addresses-of.ts";

const PORT = 7000;
const NAME_SERVER = ["node", "e2e/pods/name-server.ts", `${PORT}`];

const story = await labStories(
  [
    mesh({ encryption: "strict" }),
    clientPod("client", 1),
    pod({ name: "near", node: 1, command: NAME_SERVER, port: PORT }),
    pod({ name: "web", node: 2, command: NAME_SERVER, port: PORT }),
    pod({ name: "lonely", node: 3, command: NAME_SERVER, port: PORT }),
    service({ name: "near", number: 101, selector: { app: "near" }, ports: [PORT] }),
    service({ name: "web", number: 102, selector: { app: "web" }, ports: [PORT] }),
    service({ name: "lonely", number: 103, selector: { app: "lonely" }, ports: [PORT] }),
  ],
  { backend: "legacy", agentNodes: ["node-1", "node-2"] },
);

story("legacy iptables: both families and Services go through tunnels, nothing in clear", async (t, lab) => {
  const hosts = [...(await addressesOf(lab, "web")), "web", "fd10:96::102"];
  const wire = await captured(lab, async () => {
    for (const host of hosts) {
      const { error, local, seenByServer } = await askOnce(lab, "client", host, PORT);
      t.is(error, undefined, host);
      t.is(seenByServer, local, host);
    }
    t.is((await askOnce(lab, "client", "near", PORT)).error, undefined);
    t.is((await askOnce(lab, "near", "near", PORT)).error, undefined, "hairpin");
    t.is((await askOnce(lab, "client", "lonely", PORT)).error, "ECONNRESET", "its node has no agent");
    t.is((await askOnce(lab, "lonely", "web", PORT)).error, "ECONNREFUSED", "its node has no agent");
  });
  t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
  t.true(wire.packets > 0);
});

story("legacy iptables: flushed rules are repaired", async (t, lab) => {
  const before = await lab.call("rules", { node: "node-1" });
  t.regex(before, /HAWSER/);
  await lab.exec("node-1", ["sh", "-e", "-c", "iptables-legacy -t mangle -F\nip6tables-legacy -t mangle -F"]);
  await eventually("the rules to be repaired", { timeoutMs: 8_000, everyMs: 100 }, async () => {
    if ((await lab.call("rules", { node: "node-1" })) !== before) return false;
    return (await metricOf(lab, "node-1", "hawser_rule_repairs_total")) > 0;
  });
  t.is(await metricOf(lab, "node-1", "hawser_control_events_total", { event: "watch-failed" }), 0);
  t.is((await askOnce(lab, "client", "web", PORT)).error, undefined);
});

story("legacy iptables: an agent that starts and stops leaves the node as it was", async (t, lab) => {
  await leavesNoTrace(t, lab, "node-3", "iptablesLegacy");
});

story("legacy iptables: an agent that was killed, started and stopped leaves the node as it was", async (t, lab) => {
  await leavesNoTraceAfterCrash(t, lab, "node-3", "iptablesLegacy");
});
