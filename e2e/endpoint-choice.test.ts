/** Which endpoint takes a request: those that err or are slow are left out, equal values go to one, shares are exact. */
import { setTimeout as delay } from "node:timers/promises";
import { parsePrometheusText } from "../lab/report/prometheus-text.ts";
import type { Lab } from "../lab/lab-client.ts";
import type { LabPod } from "../lab/lab-status.ts";
import type { HttpOutcome, HttpRequests } from "./pods/http-requests.ts";
import type { HttpTally, TallyResult } from "./pods/http-tally.ts";
import {
  clientPod,
  documentsText,
  httpRoute,
  mesh,
  type NodeNumber,
  pod,
  service,
  STORY_NAMESPACE,
  trafficPolicy,
} from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";

const PORT = 7000;
const CHANGE = { timeoutMs: 10_000 };
const WEB = ["web-1", "web-2", "web-3"];
const ROUND_ROBIN = { algorithm: "round-robin" };
/** Soon over, so that stories are. */
const EJECTION = { baseEjection: "2s", maxEjection: "4s", maxEjectionPercent: 50 };
const COUNTED = 10_000;
const USERS = 8;
const LATE_MS = 250;
const SLOW_START_MS = 10_000;
/** By then a load runs. */
const STARTED_MS = 700;
/** Of a rollout: some hundred requests. */
const STEP_MS = 400;

const story = await labStories([
  mesh({ encryption: "strict", locality: "spread" }),
  clientPod("client", 1),
  server("web-1", 2, "v1"),
  server("web-2", 2, "v1"),
  server("web-3", 3, "v2"),
  web("errors", 151),
  trafficPolicy("errors", {
    loadBalancer: ROUND_ROBIN,
    ejection: { ...EJECTION, consecutiveErrors: 5, return: "4s" },
  }),
  web("slow", 152),
  trafficPolicy("slow", {
    loadBalancer: ROUND_ROBIN,
    ejection: { ...EJECTION, latency: { factor: 3, minRequests: 5, interval: "1s" } },
  }),
  web("hashed", 153),
  trafficPolicy("hashed", { loadBalancer: { algorithm: "hash", hash: { header: "x-user" } } }),
  web("laned", 154),
  trafficPolicy("laned", { loadBalancer: { algorithm: "hash", hash: { cookie: { name: "lane", ttl: "1h" } } } }),
  web("canary", 155),
  subset("v1"),
  subset("v2"),
  web("pausing", 156),
  trafficPolicy("pausing", { loadBalancer: ROUND_ROBIN, timeouts: { request: "5s" } }),
  web("zoned", 157),
  trafficPolicy("zoned", {
    locality: "prefer-zone",
    spillOver: { minHealthyPercent: 70 },
    timeouts: { request: "5s" },
  }),
  web("bytes", 158),
  trafficPolicy("bytes", { locality: "prefer-zone", spillOver: { minHealthyPercent: 70 } }),
  web("growing", 159),
  trafficPolicy("growing", {
    loadBalancer: { algorithm: "round-robin", slowStart: { window: `${SLOW_START_MS / 1_000}s`, minPercent: 10 } },
    timeouts: { request: "5s" },
  }),
]);

story("an endpoint that answers with errors is ejected, and returns little by little", async (t, lab) => {
  await inForce(lab, "errors");
  await mood(lab, ["web-2"], "status=500");
  const hurt = await tally(lab, { url: urlOf("errors"), requests: 60 });
  t.log(hurt);
  // Five in a row; where a probe falls into it, one more.
  t.true((hurt.failures["500"] ?? 0) <= 6, JSON.stringify(hurt));
  await eventually("the ejection to be counted", CHANGE, async () => {
    return (await ejections(lab, "errors", "consecutive-errors")) > 0;
  });
  await mood(lab, ["web-2"]);
  await eventually("web-2 to be back", CHANGE, async () => {
    const { pods } = await tally(lab, { url: urlOf("errors"), requests: 10 });
    return pods["web-2"] !== undefined;
  });
  const early = await tally(lab, { url: urlOf("errors"), requests: 100 });
  await delay(4_500);
  const late = await tally(lab, { url: urlOf("errors"), requests: 120 });
  t.log({ early, late });
  t.true((early.pods["web-2"] ?? 0) < 25, JSON.stringify(early));
  t.true(Math.abs((late.pods["web-2"] ?? 0) - 40) <= 1, JSON.stringify(late));
});

story("an endpoint that is slower than the others is ejected", async (t, lab) => {
  await inForce(lab, "slow");
  await mood(lab, ["web-3"], `delayMs=${LATE_MS}`);
  await eventually("web-3 to be ejected", { timeoutMs: 20_000 }, async () => {
    await tally(lab, { url: urlOf("slow"), requests: 60, loops: 6 });
    return (await ejections(lab, "slow", "latency")) > 0;
  });
  const after = await tally(lab, { url: urlOf("slow"), requests: 100, loops: 4 });
  t.log(after);
  t.true((after.pods["web-3"] ?? 0) <= 1, JSON.stringify(after));
  await mood(lab, ["web-3"]);
});

story("requests with an equal header come to one endpoint, those of many to all", async (t, lab) => {
  await inForce(lab, "hashed");
  const owners = new Set<string>();
  for (let user = 0; user < USERS; user += 1) {
    const headers = { "x-user": `user-${user}` };
    const outcomes = await ask(lab, { url: urlOf("hashed"), headers, requests: 6, loops: 3 });
    const [owner, ...others] = new Set(outcomes.map(({ seen }) => seen?.pod));
    t.deepEqual(others, []);
    owners.add(owner ?? "nobody");
  }
  t.deepEqual([...owners].toSorted(), WEB);
});

story("a client without the cookie gets one, and stays where it was", async (t, lab) => {
  await inForce(lab, "laned");
  const [first] = await ask(lab, { url: urlOf("laned") });
  t.regex(String(first?.headers["set-cookie"]), /^lane=[0-9a-f-]{36}; Path=\/; Max-Age=3600; HttpOnly/);
  const outcomes = await ask(lab, { url: urlOf("laned"), requests: 120, loops: 12, cookies: true });
  const lanes = new Map<string, Set<string>>();
  for (const { seen } of outcomes) {
    const lane = seen?.headers["cookie"];
    if (lane !== undefined) lanes.set(lane, (lanes.get(lane) ?? new Set()).add(seen?.pod ?? "nobody"));
  }
  t.is(lanes.size, 12);
  for (const pods of lanes.values()) t.is(pods.size, 1);
  t.true(new Set([...lanes.values()].flatMap((pods) => [...pods])).size > 1);
});

story("of 10,000 requests, subsets have their weights within one percent", async (t, lab) => {
  await apply(lab, canary(90, 10));
  await inForce(lab, "canary");
  const { pods, failures, ms } = await tally(lab, { url: urlOf("canary"), requests: COUNTED, loops: 16 });
  t.log({ pods, ms });
  t.deepEqual(failures, {});
  const v2 = pods["web-3"] ?? 0;
  t.is((pods["web-1"] ?? 0) + (pods["web-2"] ?? 0) + v2, COUNTED);
  // One percent of the requests is 100, one percent of the share is 10.
  t.true(Math.abs(v2 - COUNTED / 10) <= 10, `${v2} of ${COUNTED}`);
});

story("a canary goes from nothing to everything under load, and no request fails", async (t, lab) => {
  await apply(lab, canary(100, 0));
  await inForce(lab, "canary");
  await eventually("v1 to have everything", CHANGE, async () => {
    return (await tally(lab, { url: urlOf("canary"), requests: 20 })).pods["web-3"] === undefined;
  });
  const load = tally(lab, { url: urlOf("canary"), requests: 6_000, loops: 8, pauseMs: 8 });
  await delay(STARTED_MS);
  for (const v2 of [1, 10, 25, 50, 75, 100]) {
    await apply(lab, canary(100 - v2, v2));
    await delay(STEP_MS);
  }
  const { pods, failures } = await load;
  t.log(pods);
  t.deepEqual(failures, {});
  for (const name of WEB) t.true((pods[name] ?? 0) > 0, JSON.stringify(pods));
  const after = await tally(lab, { url: urlOf("canary"), requests: 50 });
  t.deepEqual(after.pods, { "web-3": 50 });
});

story("an endpoint that answers 503 with Retry-After is left alone until then", async (t, lab) => {
  await inForce(lab, "pausing");
  await mood(lab, ["web-1"], "status=503&retryAfter=3");
  const { failures, pods, ms } = await tally(lab, { url: urlOf("pausing"), requests: 90, pauseMs: 10 });
  t.log({ failures, pods, ms });
  t.true(ms < 3_000);
  t.deepEqual(failures, { 503: 1 });
  await mood(lab, ["web-1"]);
  await eventually("web-1 to serve again", CHANGE, async () => {
    return (await tally(lab, { url: urlOf("pausing"), requests: 20 })).pods["web-1"] !== undefined;
  });
});

story("once too few endpoints of the zone are able, the other zone takes its part", async (t, lab) => {
  await inForce(lab, "zoned");
  const requests = { url: urlOf("zoned"), requests: 700, loops: 4 };
  const connections = { url: urlOf("bytes"), requests: 700, loops: 4, fresh: true };
  t.is((await tally(lab, requests)).pods["web-3"], undefined);
  t.is((await tally(lab, connections)).pods["web-3"], undefined);
  await lab.call("setReady", { pod: "web-2", ready: false });
  await eventually("web-2 to be left out", CHANGE, async () => {
    return (await tally(lab, { url: urlOf("zoned"), requests: 20 })).pods["web-2"] === undefined;
  });
  for (const load of [requests, connections]) {
    const { pods, failures } = await tally(lab, load);
    t.log(pods);
    t.deepEqual(failures, {});
    // 50 of the 70 percent that would be enough are there: two of seven go to the other zone. Four standard deviations.
    t.true(Math.abs((pods["web-3"] ?? 0) - 200) < 48, JSON.stringify(pods));
  }
  await lab.call("setReady", { pod: "web-2", ready: true });
});

story("a new endpoint has a share that grows", async (t, lab) => {
  await inForce(lab, "growing");
  await tally(lab, { url: urlOf("growing"), requests: 30 });
  await lab.call("addPod", { document: server("web-4", 3, "v2") });
  await eventually("web-4 to serve", CHANGE, async () => {
    return (await tally(lab, { url: urlOf("growing"), requests: 40 })).pods["web-4"] !== undefined;
  });
  const early = await tally(lab, { url: urlOf("growing"), requests: 200 });
  await delay(SLOW_START_MS);
  const late = await tally(lab, { url: urlOf("growing"), requests: 200 });
  t.log({ early: early.pods, late: late.pods });
  t.true((early.pods["web-4"] ?? 0) < 30, JSON.stringify(early));
  t.is(late.pods["web-4"], 50);
});

function server(name: string, node: NodeNumber, version: string): LabPod {
  const command = ["node", "e2e/pods/moody-server.ts", `${PORT}`];
  return pod({ name, node, labels: { set: "web", version }, command, port: PORT });
}

function web(name: string, number: number): object {
  return service({ name, number, selector: { set: "web" }, ports: [PORT] });
}

/** Of the Service canary. */
function subset(version: string): object {
  return {
    apiVersion: "hawser.dev/v1",
    kind: "Subset",
    metadata: { name: version, namespace: STORY_NAMESPACE },
    spec: { service: "canary", labels: { version } },
  };
}

function canary(v1: number, v2: number): object {
  const to = (name: string, weight: number) => ({ group: "hawser.dev", kind: "Subset", name, port: PORT, weight });
  return httpRoute("canary", { rules: [{ backendRefs: [to("v1", v1), to("v2", v2)] }] });
}

async function apply(lab: Lab, document: object): Promise<void> {
  await lab.call("applyDocuments", { file: "canary.yaml", text: documentsText([document]) });
}

function urlOf(name: string): string {
  return `http://${name}:${PORT}/`;
}

/** Servers are as they should be, and requests are looked into: only then they get a number. */
async function inForce(lab: Lab, name: string): Promise<void> {
  await mood(lab, WEB);
  await eventually(`requests to ${name} to be looked into`, CHANGE, async () => {
    const [outcome] = await ask(lab, { url: urlOf(name) });
    return outcome?.seen?.headers["x-request-id"] !== undefined;
  });
}

async function ask(lab: Lab, requests: HttpRequests): Promise<readonly HttpOutcome[]> {
  return await runProgram<readonly HttpOutcome[]>(lab, "client", "http-requests.ts", [JSON.stringify(requests)]);
}

async function tally(lab: Lab, load: HttpTally): Promise<TallyResult> {
  return await runProgram<TallyResult>(lab, "client", "http-tally.ts", [JSON.stringify(load)]);
}

/** Without one: as a server should be. */
async function mood(lab: Lab, pods: readonly string[], how = ""): Promise<void> {
  await Promise.all(pods.map((name) => lab.call("podHttp", { pod: name, port: PORT, path: `/_mood?${how}` })));
}

async function ejections(lab: Lab, name: string, cause: string): Promise<number> {
  const { body } = await lab.call("nodeHttp", { node: "node-1", path: "/metrics" });
  return parsePrometheusText(body, "hawser_ejections_total")
    .filter(({ labels }) => labels["service"] === `${STORY_NAMESPACE}/${name}` && labels["cause"] === cause)
    .reduce((sum, sample) => sum + sample.value, 0);
}
