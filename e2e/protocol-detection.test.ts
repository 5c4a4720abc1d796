/** Services with a route for all their ports, and ports that say nothing: HTTP follows the route, real databases work on. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { ExecutionContext } from "ava";
import type { Lab } from "../lab/lab-client.ts";
import { parsePrometheusText } from "../lab/report/prometheus-text.ts";
import { clientPod, documentsText, httpRoute, mesh, pod, service } from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";

const REQUIRES = "lab.hawser.dev/requires";
const CHANGE = { timeoutMs: 5_000 };
const GREETINGS = 60;
/** What the mesh may add to a greeting, as in real-servers.test.ts. */
const GREETING_DELAY_MS = 5;
/** No data worker waits longer for a client's first byte; each learns for itself. */
const FIRST_BYTE_MS = 100;
const WORKERS = 4;

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  pod({ name: "outsider", node: 1, command: ["sleep", "infinity"], annotations: { "hawser.dev/mesh": "disabled" } }),
  server("nginx", 2, "nginx", "e2e/pods/nginx.sh", 8080),
  server("redis", 3, "redis-server", "lab/servers/redis.sh", 6379),
  server("mariadb", 3, "mariadbd", "lab/servers/mariadb.sh", 3306),
  service({ name: "nginx", number: 131, selector: { app: "nginx" }, ports: [8080] }),
  service({ name: "redis", number: 132, selector: { app: "redis" }, ports: [6379] }),
  service({ name: "mariadb", number: 133, selector: { app: "mariadb" }, ports: [3306] }),
]);

story(
  "HTTP follows the route",
  async (t, lab) => {
    await inForce(lab);
    const headers = await run(t, lab, ["curl", "-sS", "-D-", "-o/dev/null", "http://nginx:8080/connection"]);
    t.regex(headers, /x-answered: by route/i);
  },
  ["nginx", "curl"],
);

story(
  "MariaDB, which greets first, answers behind a route",
  async (t, lab) => {
    await inForce(lab);
    const mariadb = ["mariadb", "--no-defaults", "--host=mariadb", "--user=root", "--skip-column-names", "--batch"];
    t.is(await run(t, lab, [...mariadb, "--execute=select 6 * 7"]), "42\n");
    const large = await run(t, lab, [...mariadb, "--execute=select repeat('x', 8000000)"]);
    t.is(large.length, 8_000_001);
  },
  ["mariadbd", "mariadb", "nginx", "curl"],
);

story(
  "its greeting is held up once by each worker, and then not at all",
  async (t, lab) => {
    await inForce(lab);
    const args = ["mariadb", "3306", `${GREETINGS}`];
    const direct = await runProgram<number[]>(lab, "outsider", "first-byte.ts", args);
    const routed = await runProgram<number[]>(lab, "client", "first-byte.ts", args);
    const late = routed.filter((milliseconds) => milliseconds >= FIRST_BYTE_MS);
    t.log(`median ${median(direct).toFixed(2)} ms without the mesh, ${median(routed).toFixed(2)} ms with it`);
    t.log(`late: ${late.map((milliseconds) => milliseconds.toFixed(0)).join(", ") || "none"}`);
    t.true(late.length <= WORKERS);
    t.true(median(routed) - median(direct) < GREETING_DELAY_MS);
    const told = logLines(lab).filter((line) => line.includes("not-http") && line.includes("story/mariadb:3306"));
    t.true(told.length >= 1 && told.length <= WORKERS);
    await eventually("the agent to count them", CHANGE, async () => {
      const seen = await detections(lab);
      return (seen["server-first"] ?? 0) >= GREETINGS && (seen["known-server-first"] ?? 0) >= GREETINGS - WORKERS;
    });
  },
  ["mariadbd", "nginx", "curl"],
);

story(
  "redis, whose client speaks first, and no HTTP, works on",
  async (t, lab) => {
    await inForce(lab);
    t.is(await run(t, lab, ["redis-cli", "-h", "redis", "SET", "ship", "hawser"]), "OK\n");
    t.is(await run(t, lab, ["redis-cli", "-h", "redis", "GET", "ship"]), "hawser\n");
    await eventually("the agent to count it", CHANGE, async () => ((await detections(lab))["bytes"] ?? 0) >= 2);
  },
  ["redis-server", "redis-cli", "nginx", "curl"],
);

/** The same route for each, without a port. */
async function inForce(lab: Lab): Promise<void> {
  const routes = (["nginx", "redis", "mariadb"] as const).map((name) =>
    httpRoute(name, {
      rules: [
        {
          filters: [
            {
              type: "ResponseHeaderModifier",
              responseHeaderModifier: { add: [{ name: "x-answered", value: "by route" }] },
            },
          ],
          backendRefs: [{ name, port: { nginx: 8080, redis: 6379, mariadb: 3306 }[name] }],
        },
      ],
    }),
  );
  await lab.call("applyDocuments", { file: "routes.yaml", text: documentsText(routes) });
  await eventually("the route to hold", CHANGE, async () => {
    const { stdout } = await lab.exec("client", ["curl", "-sS", "-D-", "-o/dev/null", "http://nginx:8080/connection"]);
    return /x-answered/i.test(stdout);
  });
}

/** Outcome -> connections, on the client's node. */
async function detections(lab: Lab): Promise<Readonly<Record<string, number>>> {
  const { body } = await lab.call("nodeHttp", { node: "node-1", path: "/metrics" });
  const samples = parsePrometheusText(body, "hawser_").filter(({ name }) => name === "hawser_http_detections_total");
  return Object.fromEntries(samples.map(({ labels, value }) => [labels["outcome"] ?? "", value]));
}

function logLines(lab: Lab): readonly string[] {
  return readFileSync(path.join(lab.logsDir, "agent-node-1.log"), "utf8").split("\n");
}

function server(name: string, node: 2 | 3, program: string, script: string, port: number): object {
  return pod({ name, node, command: ["sh", script], port, annotations: { [REQUIRES]: program } });
}

async function run(t: ExecutionContext, lab: Lab, command: readonly string[]): Promise<string> {
  const result = await lab.exec("client", command);
  t.is(result.exitCode, 0, `${command[0]}: ${result.stderr}`);
  return result.stdout;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
