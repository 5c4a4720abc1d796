/** Pods come and go under load: what a client notices of it. */
import type { Lab } from "../../lab/lab-client.ts";
import type { ConnectionRecord } from "../pods/connection-load.ts";
import { captured } from "../support/captured.ts";
import { STORY_NAMESPACE } from "../support/cluster-documents.ts";
import { ConnectionLoad, failureCounts, failuresOf, servedBy } from "../support/connection-load.ts";
import { eventually } from "../support/eventually.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { STEADY_LOAD, webCluster, webServer } from "../support/web-cluster.ts";

const story = await kubernetesStories(webCluster());

story("pods that end in order under load: no connection fails", async (t, lab) => {
  const wire = await captured(lab, async () => {
    const load = await runningLoad(lab);
    for (const round of [1, 2]) {
      await replaceServers(lab, load, round, undefined);
      await phase(UNANSWERED_MS);
    }
    const records = await load.end();
    const slowest = Math.max(...records.map((record) => record.endedMs - record.startedMs));
    t.log(`${records.length} connections, slowest ${slowest} ms`, servedBy(records));
    t.deepEqual(failureCounts(records), {});
  });
  t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
});

story("pods that are killed under load: only what was in flight at them fails", async (t, lab) => {
  const load = await runningLoad(lab);
  const killedMs: number[] = [];
  for (const round of [3, 4]) {
    killedMs.push(Date.now());
    await replaceServers(lab, load, round, 0);
    await phase(UNANSWERED_MS);
  }
  const records = await load.end();
  const failures = failuresOf(records);
  t.log(`${records.length} connections, ${failures.length} failed`, failures);
  const inFlight = (record: ConnectionRecord): boolean =>
    killedMs.some((atMs) => record.startedMs <= atMs + IN_FLIGHT_MS && record.endedMs >= atMs);
  t.deepEqual(
    failures.filter((record) => !inFlight(record)),
    [],
  );
});

/** An agent waits 5 s for a pod that is just going, then tries another one: all pods are not replaced within that time. */
const UNANSWERED_MS = 5_500;
/** Between the call that kills a pod and the kernel's end of its sockets: kubectl and the kubelet are in between. */
const IN_FLIGHT_MS = 1_000;

/** The length of a phase of the story, not a wait for something. */
function phase(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function runningLoad(lab: Lab): Promise<ConnectionLoad> {
  const load = await ConnectionLoad.start(lab, "client", STEADY_LOAD);
  await eventually("the load to run", { timeoutMs: 10_000 }, () => load.records.length > 50);
  return load;
}

/** On each node a new server first, then the old one goes. */
async function replaceServers(
  lab: Lab,
  load: ConnectionLoad,
  round: number,
  graceSeconds: number | undefined,
): Promise<void> {
  const { pods } = await lab.status();
  const old = pods.filter((pod) => pod.labels["group"] === "web");
  for (const node of [2, 3] as const) {
    const name = `web-${node}-${round}`;
    await lab.call("addPod", { document: webServer(name, node) });
    await eventually(`${name} to serve`, { timeoutMs: 10_000 }, () => servedBy(load.records)[name] !== undefined);
    const previous = old.find((pod) => pod.node === `node-${node}`);
    await lab.call("removePod", {
      pod: `${STORY_NAMESPACE}/${previous?.name}`,
      ...(graceSeconds === undefined ? {} : { graceSeconds }),
    });
  }
}
