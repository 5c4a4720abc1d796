/** What TrafficPolicies say about load and failure, in force between real clients and servers on different nodes. */
import type { ExecutionContext } from "ava";
import type { Lab } from "../lab/lab-client.ts";
import type { LabPod } from "../lab/lab-status.ts";
import { parsePrometheusText } from "../lab/report/prometheus-text.ts";
import type { ServerCounts } from "./pods/counting-server.ts";
import type { HttpOutcome, HttpRequests } from "./pods/http-requests.ts";
import {
  clientPod,
  documentsText,
  mesh,
  type NodeNumber,
  pod,
  service,
  STORY_NAMESPACE,
  trafficPolicy,
} from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { eventuallyLogged, logRecords } from "./support/process-log.ts";
import { runProgram } from "./support/run-program.ts";

const PORT = 7000;
const CIRCUIT_GAUGE = "hawser_http_circuit_state";
const CHANGE = { timeoutMs: 5_000 };
const AGENT_LOG = "agent-node-1.log";
const LOAD_SECONDS = 5;
/** Of every rate limit here. What a busy machine makes up for when it was busy with something else: 250 ms at 160 a second. */
const BURST = 40;
/** wrk's time is not to the millisecond, and two of them do not begin and end together. */
const RATE_TOLERANCE = 0.05;
const FOREVER = "2100-01-01T00:00:00Z";

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  clientPod("other-client", 1),
  server("server", 2),
  service({ name: "server", number: 131, selector: { app: "server" }, ports: [PORT] }),
]);

story("a breaker opens when a server fails, keeps requests from it, and closes when it is back", async (t, lab) => {
  const openMs = 2_000;
  const circuitBreaker = { window: "10s", minRequests: 10, errorPercent: 50, openFor: "2s", halfOpenRequests: 3 };
  await apply(lab, { circuitBreaker });
  await behave(lab, "status=500");
  const failing = await run(lab, { url: url("/"), requests: 50 });
  const counted = tally(failing);
  t.deepEqual(Object.keys(counted).toSorted(), ["500", "503 circuit-open"]);
  // Requests that were made before this story began may be in the window.
  t.true((counted["500"] ?? 0) <= 20, JSON.stringify(counted));
  t.regex(failing.at(-1)?.headers["retry-after"] ?? "", /^[12]$/);
  t.is((await counts(lab)).requests, counted["500"] ?? 0, "the server hears of no other");
  await eventually("the gauge to say open", CHANGE, async () => (await metric(lab, CIRCUIT_GAUGE)) === 2);
  await behave(lab, "");
  await eventually("it to be closed", { timeoutMs: 10_000 }, async () => {
    await run(lab, { url: url("/") });
    return (await metric(lab, CIRCUIT_GAUGE)) === 0;
  });
  const { atMs: openedMs, record } = await transition(lab, "open");
  const { atMs: closedMs } = await transition(lab, "closed");
  t.true(closedMs - openedMs >= openMs - 20, `${closedMs - openedMs} ms`);
  t.like(record, { policy: `${STORY_NAMESPACE}/policy-1`, scope: `Service ${STORY_NAMESPACE}/server` });
  t.deepEqual(tally(await run(lab, { url: url("/"), requests: 50 })), { 200: 50 });
  t.deepEqual(
    logRecords(lab, AGENT_LOG).flatMap(({ event, state }) => (event === "circuit" ? [state] : [])),
    ["open", "half-open", "closed"],
  );
});

story(
  "a slow server is asked no more than so many requests at a time, so many wait, others are told",
  async (t, lab) => {
    await apply(lab, { concurrency: { maxRequests: 4, maxWaiting: 8, maxWait: "10s" } });
    await behave(lab, "delayMs=500");
    const burst = { url: url("/"), requests: 40, loops: 40 };
    t.deepEqual(tally(await run(lab, burst)), { 200: 12, "503 concurrency-limit": 28 });
    t.deepEqual(await counts(lab), { requests: 12, atOnce: 4 });
    await apply(lab, { concurrency: { maxRequests: 4, maxWaiting: 100, maxWait: "700ms" } });
    await behave(lab, "delayMs=500");
    t.deepEqual(tally(await run(lab, burst)), { 200: 8, "503 queue-timeout": 32 });
    t.deepEqual(await counts(lab), { requests: 8, atOnce: 4 });
    await eventually("nobody waits", CHANGE, async () => (await metric(lab, "hawser_http_waiting_requests")) === 0);
  },
);

story(
  "a rate limit by header: each value has its rate",
  async (t, lab) => {
    await apply(lab, { rateLimits: [{ requests: 100, per: "1s", burst: BURST, by: { header: "x-user" } }] });
    const [ann, bob] = await Promise.all(["ann", "bob"].map((user) => load(lab, "client", `x-user: ${user}`)));
    for (const outcome of [ann, bob]) isNear(t, outcome, 100);
    // What wrk has under way at its end, it does not count.
    const unseen = (await counts(lab)).requests - (ann?.good ?? 0) - (bob?.good ?? 0);
    t.true(unseen >= 0 && unseen <= 4, `${unseen}`);
    const outcomes = await run(lab, { url: url("/"), requests: 20 * BURST, headers: { "x-user": "ann" } });
    t.deepEqual(Object.keys(tally(outcomes)), ["200", "429 rate-limited"]);
    t.is(outcomes.find(({ status }) => status === 429)?.headers["retry-after"], "1");
    const name = "hawser_http_policy_refusals_total";
    await eventually("refusals are counted", CHANGE, async () => (await metric(lab, name, "rate-limited")) > 1_000);
  },
  ["wrk"],
);

story(
  "a rate limit by identity, beside one for all: each identity has its rate, together no more than that",
  async (t, lab) => {
    const rateLimits = [
      { requests: 100, per: "1s", burst: BURST, by: "identity" },
      { requests: 160, per: "1s", burst: BURST },
    ];
    await apply(lab, { rateLimits });
    isNear(t, await load(lab, "client", "x: y"), 100);
    const both = await Promise.all(["client", "other-client"].map((client) => load(lab, client, "x: y")));
    isNear(t, { good: both.reduce((sum, { good }) => sum + good, 0), seconds: both[0]?.seconds ?? 0 }, 160);
  },
  ["wrk"],
);

story(
  "what is too large is refused, or cut where it gets too large",
  async (t, lab) => {
    await apply(lab, { sizes: { requestBody: "10Ki", responseBody: "10Ki", requestHeaders: "1Ki" } });
    const curl = async (...argv: string[]): Promise<string> => {
      const format = "%{http_code} %{header_json}";
      const { stdout, exitCode } = await lab.exec("client", [
        "curl",
        "-sS",
        "-m",
        "5",
        "-o",
        "/dev/null",
        "-w",
        format,
        ...argv,
      ]);
      const reason = /"hawser-reason":\s*\["([^"]+)"\]/.exec(stdout)?.[1];
      return [
        stdout.slice(0, 3),
        ...(reason === undefined ? [] : [reason]),
        ...(exitCode === 0 ? [] : [`curl ${exitCode}`]),
      ].join(" ");
    };
    const body = (bytes: number): string[] => ["--data-binary", "x".repeat(bytes)];
    t.is(await curl(...body(10_240), url("/")), "200");
    await counts(lab);
    t.is(await curl(...body(10_241), url("/")), "413 request-too-large");
    t.is((await counts(lab)).requests, 0, "it was announced");
    t.is(await curl(...body(60_000), "-H", "Transfer-Encoding: chunked", url("/")), "413 request-too-large");
    t.is(await curl("-H", `X-Large: ${"x".repeat(1_000)}`, url("/")), "431 request-headers-too-large");
    t.is(await curl(url("/sized/10240")), "200");
    t.is(await curl(url("/sized/10241")), "502 response-too-large");
    t.is(await curl(url("/chunked/10240")), "200");
    // Receive failure: the connection was reset, with the head still in it or not.
    t.regex(await curl(url("/chunked/200000")), /^(?:200|000) curl 56$/);
  },
  ["curl"],
);

story("faults: delay and abort for those that they are for, and they end by themselves", async (t, lab) => {
  const when = { users: { percent: 100, by: { header: "x-tester" } } };
  const endsMs = Date.now() + 6_000;
  const until = new Date(endsMs).toISOString();
  const faults = [
    { until, delay: "700ms", when: { namespaces: ["elsewhere"] } },
    { until, delay: "400ms", when: { identities: [identityOf("client")] } },
    { until, abort: { status: 418 }, when },
  ];
  await apply(lab, { faults });
  const timed = async (client: string, headers: Readonly<Record<string, string>> = {}) => {
    const beganMs = performance.now();
    const [outcome] = await run(lab, { url: url("/"), headers }, client);
    return { said: tally([outcome as HttpOutcome]), ms: performance.now() - beganMs };
  };
  const delayed = await timed("client");
  t.deepEqual(delayed.said, { 200: 1 });
  t.true(delayed.ms >= 400, `${delayed.ms} ms`);
  t.deepEqual((await timed("other-client", { "x-tester": "ann" })).said, { "418 fault-abort": 1 });
  t.deepEqual((await timed("other-client")).said, { 200: 1 });
  t.true(Date.now() < endsMs, "all of it before the end");
  const others = await eventually("the fault to end", { timeoutMs: 10_000 }, async () => {
    const { said } = await timed("other-client", { "x-tester": "ann" });
    return said["200"] === 1 && Date.now();
  });
  t.true(others >= endsMs, "not before");
  t.true((await metric(lab, "hawser_http_faults_total")) >= 2);
});

story(
  "a fault of bandwidth, for a share of the requests: the whole answer, slowly",
  async (t, lab) => {
    await apply(lab, { faults: [{ until: FOREVER, bandwidth: "100Ki", percent: 50 }] });
    const argv = ["curl", "-sS", "-m", "20", "-o", "/dev/null", "-w", "%{http_code} %{size_download} %{time_total}"];
    const downloads = await Promise.all(
      Array.from({ length: 20 }, async () => (await lab.exec("client", [...argv, url("/sized/204800")])).stdout),
    );
    const times = downloads.map((line) => {
      t.true(line.startsWith("200 204800 "), line);
      return Number(line.split(" ")[2]);
    });
    const slow = times.filter((seconds) => seconds > 1);
    t.log(times);
    // Of 20 with even odds: less than one in 10^4 runs has fewer than 3 or more than 17.
    t.true(slow.length >= 3 && slow.length <= 17, `${slow.length} slow`);
    t.true(slow.every((seconds) => seconds > 1.9 && seconds < 2.5));
  },
  ["curl"],
);

let applied = 0;

/** The only policy of the server, in place of the last story's. In force when this is over, and the server as at first. */
async function apply(lab: Lab, spec: object): Promise<void> {
  applied += 1;
  const name = `policy-${applied}`;
  const policy = { ...trafficPolicy("server", spec), metadata: { name, namespace: STORY_NAMESPACE } };
  await lab.call("applyDocuments", { file: "policy.yaml", text: documentsText([policy]) });
  await eventually(`${name} in the agent`, CHANGE, async () => {
    const { body } = await lab.call("nodeHttp", { node: "node-1", path: "/config_dump" });
    return body.includes(`"${STORY_NAMESPACE}/${name}"`);
  });
  await behave(lab, "");
  await counts(lab);
}

function url(path: string): string {
  return `http://server:${PORT}${path}`;
}

/** From within its pod, where no policy is. */
async function behave(lab: Lab, query: string): Promise<void> {
  await lab.exec("server", ["curl", "-sS", `http://127.0.0.1:${PORT}/_behave?${query}`]);
}

async function counts(lab: Lab): Promise<ServerCounts> {
  const { stdout } = await lab.exec("server", ["curl", "-sS", `http://127.0.0.1:${PORT}/_counts`]);
  return JSON.parse(stdout) as ServerCounts;
}

async function run(lab: Lab, requests: HttpRequests, client = "client"): Promise<readonly HttpOutcome[]> {
  return await runProgram<readonly HttpOutcome[]>(lab, client, "http-requests.ts", [JSON.stringify(requests)]);
}

/** `200` -> 12, `503 circuit-open` -> 3. */
function tally(outcomes: readonly HttpOutcome[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const { status, headers, error } of outcomes) {
    const key = [status, headers["hawser-reason"] ?? error].filter((part) => part !== undefined).join(" ");
    sums[key] = (sums[key] ?? 0) + 1;
  }
  return sums;
}

interface Load {
  /** Requests that the server has answered. */
  readonly good: number;
  readonly seconds: number;
}

/** As fast as two connections can. */
async function load(lab: Lab, client: string, header: string): Promise<Load> {
  const argv = ["wrk", "-t1", "-c2", `-d${LOAD_SECONDS}s`, "-H", header, url("/")];
  const { stdout } = await lab.exec(client, argv);
  const [, requests = "0", seconds = "0"] = /(\d+) requests in ([\d.]+)s/.exec(stdout) ?? [];
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? "0";
  return { good: Number(requests) - Number(refused), seconds: Number(seconds) };
}

function isNear(t: ExecutionContext, outcome: Load | undefined, perSecond: number): void {
  const { good = 0, seconds = 0 } = outcome ?? {};
  const expected = perSecond * seconds + BURST;
  t.log(`${good} of ${expected} in ${seconds} s`);
  t.true(Math.abs(good / expected - 1) < RATE_TOLERANCE, `${good} instead of ${expected}`);
}

async function metric(lab: Lab, name: string, reason?: string): Promise<number> {
  const { body } = await lab.call("nodeHttp", { node: "node-1", path: "/metrics" });
  return parsePrometheusText(body, name)
    .filter(({ labels }) => reason === undefined || labels["reason"] === reason)
    .reduce((sum, { value }) => sum + value, 0);
}

/** When the breaker of the story went over to it, the first time. */
async function transition(lab: Lab, state: string): Promise<{ readonly record: object; readonly atMs: number }> {
  const record = await eventuallyLogged(lab, AGENT_LOG, `that the circuit is ${state}`, (line) => {
    return line.event === "circuit" && line["state"] === state;
  });
  return { record, atMs: Date.parse(String(record["time"])) };
}

function identityOf(serviceAccount: string): string {
  return `spiffe://cluster.local/ns/${STORY_NAMESPACE}/sa/${serviceAccount}`;
}

function server(name: string, node: NodeNumber): LabPod {
  return pod({ name, node, command: ["node", "e2e/pods/counting-server.ts", `${PORT}`], port: PORT });
}
