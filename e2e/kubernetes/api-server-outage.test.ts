/** The API server goes away, comes back, and has forgotten the past: the mesh must not take that for news. */
import type { ExecutionContext } from "ava";
import type { Lab } from "../../lab/lab-client.ts";
import { captured } from "../support/captured.ts";
import { ConnectionLoad, failureCounts, servedBy } from "../support/connection-load.ts";
import { eventually } from "../support/eventually.ts";
import { kubernetesStories } from "../support/kubernetes-stories.ts";
import { meshPods, tablePositions } from "../support/mesh-pods.ts";
import { parsePrometheusText } from "../../lab/report/prometheus-text.ts";
import { STEADY_LOAD, webCluster, webServer } from "../support/web-cluster.ts";

const ROUNDS = 3;
const AWAY_MS = 2_000;
/** Longer than the controller's pause between two tries after an outage like this. */
const AFTERWARDS_MS = 4_000;
const LOOK_EVERY_MS = 100;

const story = await kubernetesStories(webCluster());

story(
  "an API server that is killed and comes back under load changes no table and fails no connection",
  async (t, lab) => {
    await unnoticed(t, lab, async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await lab.call("endApiServer", { signal: "SIGKILL" });
        await phase(AWAY_MS);
        await lab.call("startApiServer", {});
      }
    });
  },
);

story("watches that are answered 410 under load change no table and fail no connection", async (t, lab) => {
  const before = await expiredWatches(lab);
  await unnoticed(t, lab, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      await lab.call("endApiServer", { signal: "SIGKILL" });
      await lab.call("startApiServer", {});
      await lab.call("compactApiServer", {});
    }
  });
  const expired = (await expiredWatches(lab)) - before;
  t.log(`${expired} watches were answered 410`);
  t.true(expired > 0);
});

story("a pod that comes and one that goes while the API server is away are known soon after", async (t, lab) => {
  const load = await ConnectionLoad.start(lab, "client", STEADY_LOAD);
  await lab.call("addPod", { document: webServer("web-4", 3) });
  await eventually("the new pod to serve", { timeoutMs: 10_000 }, () => servedBy(load.records)["web-4"] !== undefined);
  await lab.call("endApiServer", { signal: "SIGTERM" });
  await lab.call("startApiServer", {});
  await lab.call("removePod", { pod: "web-4" });
  const goneMs = Date.now();
  await eventually(
    "some load after it",
    { timeoutMs: 10_000 },
    () => (load.records.at(-1)?.startedMs ?? 0) > goneMs + 500,
  );
  const records = await load.end();
  t.deepEqual(failureCounts(records), {});
  t.is(servedBy(records.filter(({ startedMs }) => startedMs > goneMs))["web-4"], undefined);
});

/** Runs `body` under load, and looks all the time whether any agent gets another table. */
async function unnoticed(t: ExecutionContext, lab: Lab, body: () => Promise<void>): Promise<void> {
  const wire = await captured(lab, async () => {
    const load = await ConnectionLoad.start(lab, "client", STEADY_LOAD);
    await eventually("the load to run", { timeoutMs: 10_000 }, () => load.records.length > 50);
    const before = JSON.stringify(await tablePositions(lab));
    const seen = new Set<string>();
    const looking = setInterval(() => {
      void tablePositions(lab).then((positions) => seen.add(JSON.stringify(positions)));
    }, LOOK_EVERY_MS);
    await body();
    await phase(AFTERWARDS_MS);
    clearInterval(looking);
    t.deepEqual([...seen], [before]);
    await changesAreSeen(lab);
    const records = await load.end();
    t.log(`${records.length} connections`);
    t.deepEqual(failureCounts(records), {});
  });
  t.is(wire.plaintextPackets, 0, wire.plaintextSamples.join("\n"));
}

/** That nothing changed must not be because nothing is seen any more. */
async function changesAreSeen(lab: Lab): Promise<void> {
  const { ips } = await lab.call("addPod", { document: webServer("herald", 3) });
  await eventually("a new pod to be known to all agents", { timeoutMs: 30_000 }, async () => {
    const { nodes } = await lab.status();
    const dumps = await Promise.all(
      nodes.map(({ name }) => lab.call("nodeHttp", { node: name, path: "/config_dump" })),
    );
    return dumps.every(({ body }) => body.includes(`"${ips[0]}"`));
  });
  await lab.call("removePod", { pod: "herald", graceSeconds: 0 });
}

async function expiredWatches(lab: Lab): Promise<number> {
  const controllers = await meshPods(lab, "controller");
  const answers = await Promise.all(
    controllers.map(({ uid }) => lab.call("podHttp", { pod: uid, port: 15010, path: "/metrics" })),
  );
  const samples = answers.flatMap(({ body }) => parsePrometheusText(body, "hawser_kubernetes_watches_ended_total"));
  return samples.filter(({ labels }) => labels["end"] === "expired").reduce((sum, { value }) => sum + value, 0);
}

/** The length of a phase of the story, not a wait for something. */
function phase(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
