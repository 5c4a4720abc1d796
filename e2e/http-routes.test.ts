/** HTTPRoutes in force, for a client on another node than most of the backends: what it meets, and what servers see. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ExecutionContext } from "ava";
import type { Lab } from "../lab/lab-client.ts";
import type { LabPod } from "../lab/lab-status.ts";
import type { HttpOutcome, HttpRequests } from "./pods/http-requests.ts";
import {
  clientPod,
  documentsText,
  httpRoute,
  mesh,
  type NodeNumber,
  pod,
  service,
  trafficPolicy,
} from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";
import { addressesOf } from "./support/addresses-of.ts";
import { answeredBy } from "./support/answered-by.ts";

const CLI = path.resolve(import.meta.dirname, "../cli/main.ts");
const PORT = 7000;
const CHANGE = { timeoutMs: 5_000 };
const SHARES = { v1: 90, v2: 10 };
const COUNTED = 1_000;
/** Of 1,000 requests with a share of 10 %: five standard deviations. */
const TOLERANCE = 50;
/** Of a rollout: some hundred requests. */
const STEP_MS = 500;

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  server("web-1", 2),
  server("web-2", 3),
  server("near-1", 1),
  service({ name: "catalog", number: 121, selector: { app: "web-1" }, ports: [PORT] }),
  service({ name: "v1", number: 122, selector: { app: "web-1" }, ports: [PORT] }),
  service({ name: "v2", number: 123, selector: { app: "web-2" }, ports: [PORT] }),
  service({ name: "near", number: 124, selector: { app: "near-1" }, ports: [PORT] }),
  service({ name: "empty", number: 125, selector: { app: "nobody" }, ports: [PORT] }),
]);

story("requests go where their path leads, to other nodes and to this one", async (t, lab) => {
  await apply(lab, routes(SHARES));
  await inForce(lab);
  t.like(await ask(lab, "/one"), { status: 200, seen: { pod: "web-1", url: "/one" } });
  t.like(await ask(lab, "/two/items?id=3"), { status: 200, seen: { pod: "web-2", url: "/two/items?id=3" } });
  t.like(await ask(lab, "/near"), { status: 200, seen: { pod: "near-1" } });
  const { seen } = await ask(lab, "/two");
  t.true((await addressesOf(lab, "client")).includes(seen?.client ?? ""), seen?.client);
});

story(
  "what is under no rule is 404; without a backend 500, without endpoints 503, each with its reason",
  async (t, lab) => {
    await inForce(lab);
    const reasonOf = async (path: string) => {
      const { status, headers } = await ask(lab, path);
      return [status, headers["hawser-reason"]];
    };
    t.deepEqual(await reasonOf("/other"), [404, "no-match"]);
    t.deepEqual(await reasonOf("/none"), [500, "no-backend"]);
    t.deepEqual(await reasonOf("/empty"), [503, "no-endpoints"]);
  },
);

story("headers are changed on the way there and back", async (t, lab) => {
  await inForce(lab);
  const { seen, headers } = await ask(lab, "/headers", { "x-drop": "1", "x-keep": "1" });
  t.like(seen?.headers, { "x-set": "yes", "x-keep": "1" });
  t.is(seen?.headers["x-drop"], undefined);
  t.is(headers["x-answered"], "by route");
});

story("a redirect has its Location, a rewrite its path and host", async (t, lab) => {
  await inForce(lab);
  t.like(await ask(lab, "/moved/a?b=c"), {
    status: 301,
    headers: { location: `http://elsewhere.example:${PORT}/new/a?b=c` },
  });
  t.like(await ask(lab, "/rewritten/a?b=c"), {
    status: 200,
    seen: { url: "/new/a?b=c", headers: { host: "v1.example" } },
  });
});

story("a server that takes too long is a 504, by the Service's policy", async (t, lab) => {
  await inForce(lab);
  const beganMs = performance.now();
  const { status, headers } = await ask(lab, "/slow");
  t.deepEqual([status, headers["hawser-reason"]], [504, "request-timeout"]);
  t.true(performance.now() - beganMs < 4_000);
});

story("requests are shared by weight, also those of one connection", async (t, lab) => {
  await inForce(lab);
  const counts = await count(t, lab, { url: urlOf("/shared"), requests: COUNTED, loops: 2 });
  t.log(counts);
  t.true(Math.abs((counts["web-2"] ?? 0) - COUNTED / 10) < TOLERANCE, JSON.stringify(counts));
});

story("weights move under load without a failed request", async (t, lab) => {
  await inForce(lab);
  const load = count(t, lab, { url: urlOf("/shared"), requests: 3_000, loops: 4, pauseMs: 2 });
  for (const v2 of [25, 50, 75, 100]) {
    await apply(lab, routes({ v1: 100 - v2, v2 }));
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  t.log(await load);
  await eventually("all requests to go to v2", CHANGE, async () => (await ask(lab, "/shared")).seen?.pod === "web-2");
  t.deepEqual(await count(t, lab, { url: urlOf("/shared"), requests: 50 }), { "web-2": 50 });
});

story(
  "a client that speaks HTTP/2 to a server that does not is told what to do, and the log says so",
  async (t, lab) => {
    await inForce(lab);
    const result = await lab.exec("client", ["curl", "-sS", "-m", "5", "--http2-prior-knowledge", urlOf("/one")]);
    t.regex(result.stdout, /bad-response: .*appProtocol: http/);
    await eventually("the reason in the log", CHANGE, () => agentLog(lab).includes("bad-response"));
  },
  ["curl"],
);

story("without its route, the Service is carried as a connection again", async (t, lab) => {
  await inForce(lab);
  await apply(lab, []);
  await eventually("no rule to hold", CHANGE, async () => (await ask(lab, "/other")).status === 200);
  const { seen, headers } = await ask(lab, "/other");
  t.like(seen, { pod: "web-1", url: "/other" });
  t.is(seen?.headers["x-request-id"], undefined, "nobody looks into it");
  t.is(headers["hawser-reason"], undefined);
  await apply(lab, routes(SHARES));
  await inForce(lab);
});

story("documents and pods of a file are put in force, refused and taken back from a terminal", async (t, lab) => {
  const directory = mkdtempSync(path.join(tmpdir(), "hawser-apply-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, "mine.yaml");
  const write = (hostname: string): void => {
    const requestRedirect = { hostname };
    const rule = { matches: [{}], filters: [{ type: "RequestRedirect", requestRedirect }] };
    const mine = httpRoute("near", { rules: [rule] });
    writeFileSync(file, documentsText([server("mine-1", 3), mine]));
  };
  const location = async (): Promise<string | undefined> => {
    const [outcome] = await run(lab, { url: `http://near:${PORT}/`, headers: {} });
    return outcome?.headers["location"];
  };
  write("first.example");
  const applied = hawserLab(lab, "apply", file);
  t.is(applied.status, 0, applied.text);
  t.regex(applied.text, /mine\.yaml: in force at 3 agents \(table \d+\), after \d+\.\d\d s$/);
  t.is(await location(), `http://first.example:${PORT}/`);
  t.true((await lab.status()).pods.some(({ name }) => name === "mine-1"));
  write("not a name");
  const refused = hawserLab(lab, "apply", file);
  t.is(refused.status, 1);
  t.regex(refused.text, /Nothing of .*mine\.yaml is applied:\napplied\.mine\.yaml:\d+:\d+ .*hostname/);
  t.is(await location(), `http://first.example:${PORT}/`);
  const deleted = hawserLab(lab, "delete", file);
  t.is(deleted.status, 0, deleted.text);
  t.is(await location(), undefined);
  t.false((await lab.status()).pods.some(({ name }) => name === "mine-1"));
});

story("an agent is ended and started from a terminal", async (t, lab) => {
  const isReady = async (): Promise<boolean> =>
    (await lab.status()).agents.some(({ node, state, ready }) => node === "node-3" && state === "running" && ready);
  t.is(hawserLab(lab, "stop", "node-3", "--signal", "SIGKILL").status, 0);
  await eventually("the agent to be gone", CHANGE, async () => !(await isReady()));
  t.is(hawserLab(lab, "start", "node-3").status, 0);
  await eventually("the agent to serve again", CHANGE, isReady);
  const unknown = hawserLab(lab, "stop", "node-9");
  t.is(unknown.status, 1);
  t.regex(unknown.text, /node-9/);
});

function routes({ v1, v2 }: { readonly v1: number; readonly v2: number }): readonly object[] {
  const to = (name: string, weight = 1) => ({ name, port: PORT, weight });
  const under = (value: string) => ({ matches: [{ path: { type: "PathPrefix", value } }] });
  const rules = [
    { ...under("/one"), backendRefs: [to("v1")] },
    { ...under("/two"), backendRefs: [to("v2")] },
    { ...under("/near"), backendRefs: [to("near")] },
    { ...under("/none"), backendRefs: [] },
    { ...under("/empty"), backendRefs: [to("empty")] },
    { ...under("/slow"), backendRefs: [to("v1")] },
    { ...under("/shared"), backendRefs: [to("v1", v1), to("v2", v2)] },
    {
      ...under("/headers"),
      filters: [
        {
          type: "RequestHeaderModifier",
          requestHeaderModifier: { set: [{ name: "x-set", value: "yes" }], remove: ["x-drop"] },
        },
        {
          type: "ResponseHeaderModifier",
          responseHeaderModifier: { add: [{ name: "x-answered", value: "by route" }] },
        },
      ],
      backendRefs: [to("v1")],
    },
    {
      ...under("/moved"),
      filters: [
        {
          type: "RequestRedirect",
          requestRedirect: {
            hostname: "elsewhere.example",
            statusCode: 301,
            path: { type: "ReplacePrefixMatch", replacePrefixMatch: "/new" },
          },
        },
      ],
    },
    {
      ...under("/rewritten"),
      filters: [
        {
          type: "URLRewrite",
          urlRewrite: { hostname: "v1.example", path: { type: "ReplacePrefixMatch", replacePrefixMatch: "/new" } },
        },
      ],
      backendRefs: [to("v1")],
    },
  ];
  return [httpRoute("catalog", { rules }), trafficPolicy("catalog", { timeouts: { request: "300ms" } })];
}

/** As a person at a terminal. */
function hawserLab(lab: Lab, ...args: readonly string[]): { readonly status: number | null; readonly text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, "lab", ...args, "--name", lab.name], {
    encoding: "utf8",
  });
  return { status, text: `${stdout}${stderr}`.trim() };
}

/** In a file of their own, which has nothing else. */
async function apply(lab: Lab, documents: readonly object[]): Promise<unknown> {
  return await lab.call("applyDocuments", { file: "routes.yaml", text: documentsText(documents) });
}

async function inForce(lab: Lab): Promise<void> {
  await eventually("the routes to hold", CHANGE, async () => (await ask(lab, "/other")).status === 404);
}

function urlOf(path: string): string {
  return `http://catalog:${PORT}${path}`;
}

async function ask(lab: Lab, path: string, headers: Readonly<Record<string, string>> = {}): Promise<HttpOutcome> {
  return (await run(lab, { url: urlOf(path), headers }))[0] as HttpOutcome;
}

/** Pod -> requests that it answered; none may fail. */
async function count(t: ExecutionContext, lab: Lab, requests: HttpRequests): Promise<Readonly<Record<string, number>>> {
  const outcomes = await run(lab, requests);
  t.deepEqual(
    outcomes.filter(({ status }) => status !== 200),
    [],
  );
  return answeredBy(outcomes);
}

async function run(lab: Lab, requests: HttpRequests): Promise<readonly HttpOutcome[]> {
  return await runProgram<readonly HttpOutcome[]>(lab, "client", "http-requests.ts", [JSON.stringify(requests)]);
}

function agentLog(lab: Lab): string {
  return readFileSync(path.join(lab.logsDir, "agent-node-1.log"), "utf8");
}

function server(name: string, node: NodeNumber): LabPod {
  return pod({ name, node, command: ["node", "e2e/pods/http-server.ts", `${PORT}`], port: PORT });
}
