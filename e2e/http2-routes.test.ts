/** HTTP/2 with prior knowledge, request by request, with real clients and servers at the ends. */
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
} from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";
import { addressesOf } from "./support/addresses-of.ts";
import { answeredBy } from "./support/answered-by.ts";

const PORT = 7000;
const NGINX_PORT = 8080;
const CHANGE = { timeoutMs: 5_000 };
/** Of 1,000 requests with a share of 10 %: five standard deviations. */
const TOLERANCE = 50;
const STEP_MS = 500;

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  server("h2-1", "h2-server.ts", 2),
  server("h2-2", "h2-server.ts", 3),
  server("h1-1", "http-server.ts", 2),
  pod({
    name: "nginx",
    node: 2,
    command: ["sh", "e2e/pods/nginx.sh", "http2"],
    port: NGINX_PORT,
    annotations: { "lab.hawser.dev/requires": "nginx" },
  }),
  service({ name: "catalog", number: 141, selector: { app: "h2-1" }, ports: [PORT] }),
  service({ name: "v1", number: 142, selector: { app: "h2-1" }, ports: [PORT] }),
  service({ name: "v2", number: 143, selector: { app: "h2-2" }, ports: [PORT] }),
  service({ name: "old", number: 144, selector: { app: "h1-1" }, ports: [PORT], appProtocol: "http" }),
  service({ name: "new", number: 145, selector: { app: "h2-2" }, ports: [PORT], appProtocol: "kubernetes.io/h2c" }),
  service({ name: "nginx", number: 146, selector: { app: "nginx" }, ports: [NGINX_PORT] }),
]);

story(
  "curl speaks HTTP/2 to the server, which sees its client's own address",
  async (t, lab) => {
    await apply(lab, routes({ v1: 90, v2: 10 }));
    await eventually("the routes to hold", CHANGE, async () => (await ask(lab, "/other")).status === 404);
    const { stdout } = await curl(lab, ["-w", "\n%{http_version} %{http_code}"], "/one?a=b");
    const [body = "", version] = stdout.split("\n");
    t.is(version, "2 200");
    const seen = JSON.parse(body) as { url: string; client: string; pod: string };
    t.like(seen, { url: "/one?a=b", pod: "h2-1" });
    t.true((await addressesOf(lab, "client")).includes(seen.client), seen.client);
    const other = await curl(lab, ["-w", " %{http_version} %{http_code}"], "/other");
    t.regex(other.stdout, /^no-match: .*\n 2 404$/);
  },
  ["curl"],
);

story("requests of one connection are shared by weight", async (t, lab) => {
  const counts = await count(t, lab, { url: urlOf("/shared"), requests: 1_000, loops: 8 });
  t.log(counts);
  t.true(Math.abs((counts["h2-2"] ?? 0) - 100) < TOLERANCE, JSON.stringify(counts));
});

story("weights move under load without a failed request", async (t, lab) => {
  const load = count(t, lab, { url: urlOf("/shared"), requests: 3_000, loops: 4, pauseMs: 2 });
  for (const v2 of [25, 50, 75, 100]) {
    await apply(lab, routes({ v1: 100 - v2, v2 }));
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  t.log(await load);
  await eventually("all requests to go to v2", CHANGE, async () => (await ask(lab, "/shared")).seen?.pod === "h2-2");
});

story("one version in, the other one out, as the Service's port says", async (t, lab) => {
  const old = await ask(lab, "/old/a");
  t.like(old, { status: 200, seen: { pod: "h1-1", url: "/old/a" } });
  t.is(old.seen?.headers["host"], `catalog:${PORT}`);
  const requests: HttpRequests = { url: urlOf("/new/a") };
  const [modern] = await runProgram<readonly HttpOutcome[]>(lab, "client", "http-requests.ts", [
    JSON.stringify(requests),
  ]);
  t.like(modern, { status: 200, seen: { pod: "h2-2", url: "/new/a" } });
  t.is(modern?.seen?.headers[":authority"], `catalog:${PORT}`);
});

story(
  "h2load has every request answered",
  async (t, lab) => {
    const { stdout } = await lab.exec("client", [
      ...["h2load", "-n", "20000", "-c", "8", "-m", "16", "-t", "1", urlOf("/shared")],
    ]);
    t.regex(stdout, /20000 succeeded, 0 failed, 0 errored/, stdout);
    t.log(/finished in .*/.exec(stdout)?.[0]);
  },
  ["h2load"],
);

story(
  "nginx serves HTTP/2, and sees its client",
  async (t, lab) => {
    const url = `http://nginx:${NGINX_PORT}`;
    const { stdout } = await lab.exec("client", ["curl", "-sS", "-m", "5", "--http2-prior-knowledge", `${url}/whoami`]);
    t.true((await addressesOf(lab, "client")).includes(stdout.split(" ")[0] ?? ""), stdout);
    const load = await lab.exec("client", ["h2load", "-n", "5000", "-c", "4", "-m", "8", "-t", "1", `${url}/`]);
    t.regex(load.stdout, /5000 succeeded, 0 failed, 0 errored/, load.stdout);
  },
  ["nginx", "curl", "h2load"],
);

function routes({ v1, v2 }: { readonly v1: number; readonly v2: number }): readonly object[] {
  const to = (name: string, weight = 1) => ({ name, port: PORT, weight });
  const under = (value: string) => ({ matches: [{ path: { type: "PathPrefix", value } }] });
  const rules = [
    { ...under("/one"), backendRefs: [to("v1")] },
    { ...under("/old"), backendRefs: [to("old")] },
    { ...under("/new"), backendRefs: [to("new")] },
    { ...under("/shared"), backendRefs: [to("v1", v1), to("v2", v2)] },
  ];
  return [
    httpRoute("catalog", { rules }),
    httpRoute("nginx", { rules: [{ backendRefs: [{ name: "nginx", port: NGINX_PORT }] }] }),
  ];
}

/** In a file of their own, which has nothing else. */
async function apply(lab: Lab, documents: readonly object[]): Promise<unknown> {
  return await lab.call("applyDocuments", { file: "routes.yaml", text: documentsText(documents) });
}

function urlOf(path: string): string {
  return `http://catalog:${PORT}${path}`;
}

async function curl(lab: Lab, options: readonly string[], path: string) {
  return await lab.exec("client", ["curl", "-sS", "-m", "5", "--http2-prior-knowledge", ...options, urlOf(path)]);
}

async function ask(lab: Lab, path: string): Promise<HttpOutcome> {
  return (await run(lab, { url: urlOf(path) }))[0] as HttpOutcome;
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
  return await runProgram<readonly HttpOutcome[]>(lab, "client", "h2-requests.ts", [JSON.stringify(requests)]);
}

function server(name: string, program: string, node: NodeNumber): LabPod {
  return pod({ name, node, command: ["node", `e2e/pods/${program}`, `${PORT}`], port: PORT });
}
