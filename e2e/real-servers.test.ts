/** Servers and clients from Debian, across nodes, by Service name, as their users would run them. */
import type { ExecutionContext } from "ava";
import type { Lab } from "../lab/lab-client.ts";
import { readAgentMetrics } from "../lab/report/agent-metrics.ts";
import { clientPod, mesh, pod, service } from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";

const REQUIRES = "lab.hawser.dev/requires";

const story = await labStories([
  mesh({ encryption: "strict" }),
  clientPod("client", 1),
  pod({ name: "outsider", node: 1, command: ["sleep", "infinity"], annotations: { "hawser.dev/mesh": "disabled" } }),
  server("nginx", 2, "nginx", "e2e/pods/nginx.sh", 8080),
  server("redis", 3, "redis-server", "lab/servers/redis.sh", 6379),
  server("mariadb", 3, "mariadbd", "lab/servers/mariadb.sh", 3306),
  service({ name: "nginx", number: 101, selector: { app: "nginx" }, ports: [8080] }),
  service({ name: "redis", number: 102, selector: { app: "redis" }, ports: [6379] }),
  service({ name: "mariadb", number: 103, selector: { app: "mariadb" }, ports: [3306] }),
]);

story(
  "nginx serves many requests on one connection",
  async (t, lab) => {
    const url = "http://nginx.story.svc.cluster.local:8080/connection";
    const output = await run(t, lab, ["curl", "-sS", "--fail", ...Array.from({ length: 20 }, () => url)]);
    const answers = output.trim().split("\n");
    t.is(answers.length, 20);
    t.is(new Set(answers.map((answer) => answer.split(" ")[0])).size, 1);
    t.is(answers.at(-1)?.split(" ")[1], "20");
  },
  ["nginx", "curl"],
);

story(
  "nginx sees the client's own address and port, over IPv4 and IPv6",
  async (t, lab) => {
    const client = (await lab.status()).pods.find((one) => one.name === "client");
    for (const host of ["10.96.0.101", "[fd10:96::101]"]) {
      const format = "\n%{local_ip} %{local_port}";
      const output = await run(t, lab, ["curl", "-sS", "--fail", "-w", format, `http://${host}:8080/whoami`]);
      const [seen, own = ""] = output.split("\n");
      t.is(seen, own);
      t.true(client?.ips.includes(own.split(" ")[0] ?? ""), own);
    }
  },
  ["nginx", "curl"],
);

story(
  "nginx answers wrk without one error",
  async (t, lab) => {
    const output = await run(t, lab, ["wrk", "-t1", "-c32", "-d3s", "http://nginx:8080/"]);
    t.notRegex(output, /Socket errors|Non-2xx/);
    t.regex(output, /Requests\/sec: +\d{3,}/);
    t.log(/Requests\/sec.*/.exec(output)?.[0]);
  },
  ["nginx", "wrk"],
);

story(
  "redis keeps what it is told, and its benchmark runs",
  async (t, lab) => {
    t.is(await run(t, lab, ["redis-cli", "-h", "redis", "SET", "ship", "hawser"]), "OK\n");
    t.is(await run(t, lab, ["redis-cli", "-h", "redis", "GET", "ship"]), "hawser\n");
    const benchmark = ["redis-benchmark", "-h", "redis", "-t", "set,get", "-n", "5000", "-c", "20", "-P", "4", "-q"];
    t.regex(await run(t, lab, benchmark), /GET: [\d.]+ requests per second/);
  },
  ["redis-server", "redis-cli", "redis-benchmark"],
);

story(
  "MariaDB answers queries, with a result of megabytes",
  async (t, lab) => {
    const mariadb = ["mariadb", "--no-defaults", "--host=mariadb", "--user=root", "--skip-column-names", "--batch"];
    t.is(await run(t, lab, [...mariadb, "--execute=select 6 * 7"]), "42\n");
    const large = await run(t, lab, [...mariadb, "--execute=select repeat('x', 8000000)"]);
    t.is(large.length, 8_000_001);
  },
  ["mariadbd", "mariadb"],
);

const GREETINGS = 60;
const GREETING_DELAY_MS = 5;

story(
  "MariaDB greets first, and the mesh delays it by less than 5 ms",
  async (t, lab) => {
    const args = ["mariadb", "3306", `${GREETINGS}`];
    const direct = await runProgram<number[]>(lab, "outsider", "first-byte.ts", args);
    const meshed = await runProgram<number[]>(lab, "client", "first-byte.ts", args);
    t.is(meshed.length, GREETINGS);
    const delayMs = median(meshed) - median(direct);
    t.log(`median ${median(direct).toFixed(2)} ms without the mesh, ${median(meshed).toFixed(2)} ms with it`);
    t.true(delayMs < GREETING_DELAY_MS, `delayed by ${delayMs} ms`);
  },
  ["mariadbd"],
);

story("all of this went through tunnels", async (t, lab) => {
  const { pods } = await lab.status();
  const servers = pods.filter((one) => one.state !== "skipped" && !["client", "outsider"].includes(one.name));
  const paths = await eventually("the agent to count connections to every server", { timeoutMs: 4_000 }, async () => {
    const { body } = await lab.call("nodeHttp", { node: "node-1", path: "/metrics" });
    const { connections } = readAgentMetrics("node-1", body);
    const seen = new Map(connections.map((one) => [one.to, one.path]));
    return servers.every(({ uid }) => seen.has(uid)) && [...seen.values()];
  });
  t.deepEqual(new Set(paths), new Set(["tunnel"]));
});

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
