/**
 * A quota of 500 requests a second for the whole mesh, with clients on three nodes: what reaches the server in each second,
 * whoever wants how much of it, with the controller and without.
 */
import type { ExecutionContext } from "ava";
import type { Lab } from "../lab/lab-client.ts";
import type { HttpOutcome } from "./pods/http-requests.ts";
import type { StatusesBySecond, SteadyRequests } from "./pods/steady-requests.ts";
import { clientPod, mesh, pod, service, trafficPolicy } from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { killController, metricOf, startReadyController } from "./support/mesh-processes.ts";
import { runProgram } from "./support/run-program.ts";

const PORT = 7000;
const URL = `http://web:${PORT}/`;
const QUOTA = 500;
const CLIENTS = ["client-1", "client-2", "client-3"] as const;
const NODES = ["node-1", "node-2", "node-3"] as const;
/** Of a run: shares have followed the demand by then, and the first second of the clock is not a whole one. */
const SETTLED_SECONDS = 3;

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client-1", 1),
  clientPod("client-2", 2),
  clientPod("client-3", 3),
  pod({ name: "web", node: 2, command: ["node", "e2e/pods/http-server.ts", `${PORT}`], port: PORT }),
  service({ name: "web", number: 131, selector: { app: "web" }, ports: [PORT] }),
  trafficPolicy("web", { protocol: "http", quota: { name: "web", requests: QUOTA, per: "1s" } }),
]);

story("uneven demand on three nodes: the total is within 5 %, and who wants little gets it", async (t, lab) => {
  const [first, second, third] = await load(lab, [700, 150, 50], 9);
  const total = perSecond([first, second, third]);
  t.log("admitted per second", total, "by node", [first, second, third].map(mean));
  isWithinFivePercent(t, total);
  t.true(mean(second) > 135);
  t.true(mean(third) > 45);
  t.true((await metricOf(lab, "node-1", "hawser_quota_requests_total", { outcome: "refused" })) > 0);
});

story("demand that moves to another node is followed", async (t, lab) => {
  const [first, second, third] = await load(lab, [50, 150, 700], 7);
  const total = perSecond([first, second, third]);
  t.log("admitted per second", total, "by node", [first, second, third].map(mean));
  isWithinFivePercent(t, total);
  t.true(mean(first) > 45);
});

story("demand of one node only gets nearly all", async (t, lab) => {
  const [only = []] = await load(lab, [700], 7);
  t.log("admitted per second", only);
  isWithinFivePercent(t, only);
});

story("beyond the quota: 429, when to come back, and whose quota it was", async (t, lab) => {
  const options = { url: URL, requests: 900, loops: 8 };
  const outcomes = await runProgram<readonly HttpOutcome[]>(lab, "client-1", "http-requests.ts", [
    JSON.stringify(options),
  ]);
  const refused = outcomes.find(({ status }) => status !== 200);
  t.like(refused, { status: 429, headers: { "hawser-reason": "quota", "retry-after": "1" } });
});

story(
  "without the controller each node has its fair share, and the total is never exceeded on the way",
  async (t, lab) => {
    const falling = load(lab, [700, 150, 50], 8, 1);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await killController(lab);
    const total = perSecond(await falling);
    t.log("admitted per second, the controller killed in the third", total);
    t.true(
      total.every((each) => each <= QUOTA * 1.05),
      JSON.stringify(total),
    );
    const alone = await load(lab, [300, 300, 300], 7);
    t.log("by node", alone.map(mean));
    isWithinFivePercent(t, perSecond(alone));
    for (const node of alone) t.true(mean(node) > 155 && mean(node) < 178, JSON.stringify(node));

    await startReadyController(lab);
    await eventually("all channels", { timeoutMs: 10_000 }, async () => {
      const channels = await Promise.all(NODES.map((node) => metricOf(lab, node, "hawser_channel_connected")));
      return channels.every((connected) => connected === 1);
    });
    const again = await load(lab, [700, 150, 50], 8);
    const back = perSecond(again);
    t.log("admitted per second, the controller back", back, "by node", again.map(mean));
    isWithinFivePercent(t, back);
    t.true(mean(again[0] ?? []) > 250, "by demand again");
  },
);

/** What each node's clients were answered with 200, in each whole second after the first few. */
async function load(
  lab: Lab,
  demands: readonly number[],
  seconds: number,
  settled = SETTLED_SECONDS,
): Promise<readonly (readonly number[])[]> {
  const runs = demands.map((perSecond, index) => {
    const options: SteadyRequests = { url: URL, perSecond, seconds };
    const client = CLIENTS[index] as string;
    return runProgram<StatusesBySecond>(lab, client, "steady-requests.ts", [JSON.stringify(options)]);
  });
  const statuses = await Promise.all(runs);
  // Seconds in which all of them were at work from beginning to end.
  const begin = Math.max(...statuses.map((each) => Math.min(...Object.keys(each).map(Number)))) + settled;
  const end = Math.min(...statuses.map((each) => Math.max(...Object.keys(each).map(Number))));
  return statuses.map((each) =>
    Array.from({ length: end - begin }, (_, index) => each[`${begin + index}`]?.["200"] ?? 0),
  );
}

function perSecond(nodes: readonly (readonly number[] | undefined)[]): readonly number[] {
  const [first = []] = nodes;
  return first.map((_, second) => nodes.reduce((sum, node) => sum + (node?.[second] ?? 0), 0));
}

function mean(counts: readonly number[] | undefined = []): number {
  return counts.reduce((sum, each) => sum + each, 0) / Math.max(1, counts.length);
}

/** On the whole; a single second less strictly, because machines pause. */
function isWithinFivePercent(t: ExecutionContext, total: readonly number[]): void {
  const average = mean(total);
  t.true(average >= QUOTA * 0.95 && average <= QUOTA * 1.05, `${average}: ${JSON.stringify(total)}`);
  t.true(
    total.every((each) => each >= QUOTA * 0.85 && each <= QUOTA * 1.08),
    JSON.stringify(total),
  );
}
