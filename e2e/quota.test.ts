/**
 * A quota of 500 requests a second for the whole mesh, with clients on three nodes: what reaches the server in each second,
 * whoever wants how much of it, with the controller and without.
 */
import type { ExecutionContext } from "ava";
import type { HttpOutcome } from "./pods/http-requests.ts";
import { mesh } from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { killController, metricOf, startReadyController } from "./support/mesh-processes.ts";
import { mean, perSecond, quotaDocuments, quotaLoad as load, QUOTA_URL } from "./support/quota-load.ts";
import { runProgram } from "./support/run-program.ts";

const QUOTA = 500;
/** Answers that a pause of the clients' machine, 150 ms, moves from the second in which they were admitted to the next. */
const PAUSED = QUOTA * 0.15;
const NODES = ["node-1", "node-2", "node-3"] as const;
const story = await labStories([mesh({ encryption: "strict" }), ...quotaDocuments(QUOTA)]);

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
  const options = { url: QUOTA_URL, requests: 900, loops: 8 };
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
    isNeverExceeded(t, total);
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

function isWithinFivePercent(t: ExecutionContext, total: readonly number[]): void {
  const average = mean(total);
  t.true(average >= QUOTA * 0.95 && average <= QUOTA * 1.05, `${average}: ${JSON.stringify(total)}`);
  for (const each of total) t.true(each >= QUOTA * 0.95 - PAUSED, JSON.stringify(total));
  isNeverExceeded(t, total);
}

/** In no run of seconds, however long: two entitlements at a time would be a hundred or more in each second they last. */
function isNeverExceeded(t: ExecutionContext, total: readonly number[]): void {
  for (let begin = 0; begin < total.length; begin += 1) {
    let sum = 0;
    for (let end = begin; end < total.length; end += 1) {
      sum += total[end] ?? 0;
      t.true(sum <= QUOTA * 1.05 * (end - begin + 1) + PAUSED, `seconds ${begin} to ${end}: ${JSON.stringify(total)}`);
    }
  }
}
