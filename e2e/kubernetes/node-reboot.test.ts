/** A node comes up with nothing in its kernel, while no controller answers: in strict mode nothing may go in clear. */
import type { Lab } from "../../lab/lab-client.ts";
import { captured } from "../support/captured.ts";
import { ConnectionLoad, servedBy } from "../support/connection-load.ts";
import { eventually } from "../support/eventually.ts";
import { kubectl } from "../support/kubectl.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { meshPods, SYSTEM_NAMESPACE } from "../support/mesh-pods.ts";
import { STEADY_LOAD, webCluster } from "../support/web-cluster.ts";

/** As the kernel of a node that has just booted: nothing of ours is in it. */
const FORGET = [
  "for t in mangle nat filter raw; do for i in iptables-nft ip6tables-nft; do $i -t $t -S | grep -q HAWSER || continue;" +
    " $i-save -t $t | grep -v HAWSER | $i-restore -T $t; done; done",
  "for s in $(ipset list -n); do ipset destroy $s; done",
  "for f in 4 6; do while ip -$f rule del lookup 15008; do :; done; ip -$f route flush table 15008; done",
  "true",
].join("\n");

const story = await kubernetesStories(webCluster());

for (const node of ["node-1", "node-2"]) {
  story(`${node} boots without a controller while pods go on talking: nothing goes in clear`, async (t, lab) => {
    await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "scale", "deployment/hawser-controller", "--replicas", "0"]);
    await eventually("the controllers to be gone", { timeoutMs: 30_000 }, async () => {
      return (await meshPods(lab, "controller")).length === 0;
    });
    const wire = await captured(lab, async () => {
      const load = await ConnectionLoad.start(lab, "client", STEADY_LOAD);
      await eventually("the load to run", { timeoutMs: 10_000 }, () => load.records.length > 50);
      await lab.call("signalAgent", { node, signal: "SIGKILL" });
      const result = await lab.exec(node, ["sh", "-c", FORGET]);
      const bootedMs = Date.now();
      t.is(result.exitCode, 0, result.stderr);
      await rulesAreBack(lab, node);
      t.log(`rules are back ${Date.now() - bootedMs} ms after everything was gone`);
      // An endpoint that took no connections meanwhile is left alone for ten seconds.
      await eventually("both servers to serve again", { timeoutMs: 40_000 }, () => {
        const served = servedBy(load.records.filter(({ startedMs }) => startedMs > bootedMs));
        return served["web-2"] !== undefined && served["web-3"] !== undefined;
      });
      t.log(`both servers serve again ${Date.now() - bootedMs} ms after it`);
      load.stop();
    });
    t.true(wire.packets > 100);
    t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
    await kubectl(lab, ["--namespace", SYSTEM_NAMESPACE, "scale", "deployment/hawser-controller", "--replicas", "2"]);
  });
}

async function rulesAreBack(lab: Lab, node: string): Promise<void> {
  await eventually(`rules on ${node}`, { timeoutMs: 10_000 }, async () => {
    return (await lab.call("rules", { node })).includes("HAWSER");
  });
}
