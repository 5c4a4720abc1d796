/**
 * The same traffic with and without the mesh, side by side in one run: two labs on this machine, measured in turns
 * (A B A B ...), medians and ratios printed. Needs nginx, MariaDB and wrk.
 *
 *   npm run side-by-side -- [rounds]
 *
 * Shows: calls inside a node cost the same as without a mesh; what a call between nodes costs; by how much the greeting
 * of a server that speaks first is delayed.
 */
import path from "node:path";
import { type Lab, startLab } from "../lab/lab-client.ts";

interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly take: (lab: Lab) => Promise<number>;
}

const ROOT = path.resolve(import.meta.dirname, "..");
const CLIENT = "bench/client";
const DEFAULT_ROUNDS = 7;
const GREETINGS = 40;

const MEASURES: readonly Measure[] = [
  { name: "same node, HTTP, 1 connection, p50", unit: "ms", take: (lab) => wrk(lab, "near", 1, "50%") },
  { name: "same node, HTTP, 1 connection, p99", unit: "ms", take: (lab) => wrk(lab, "near", 1, "99%") },
  { name: "same node, HTTP, 64 connections", unit: "req/s", take: (lab) => wrk(lab, "near", 64, "Requests/sec:") },
  { name: "other node, HTTP, 1 connection, p50", unit: "ms", take: (lab) => wrk(lab, "far", 1, "50%") },
  { name: "other node, HTTP, 64 connections", unit: "req/s", take: (lab) => wrk(lab, "far", 64, "Requests/sec:") },
  { name: "other node, MariaDB's greeting, median", unit: "ms", take: greeting },
];

const rounds = Number(process.argv[2] ?? DEFAULT_ROUNDS);
await using mesh = await startLab({ file: path.join(import.meta.dirname, "side-by-side.yaml") });
await using plain = await startLab({ file: path.join(import.meta.dirname, "side-by-side.yaml"), mesh: false });

console.log(`${rounds} rounds, medians [least, most]\n`);
for (const measure of MEASURES) {
  const values = { mesh: [] as number[], plain: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    values.plain.push(await measure.take(plain));
    values.mesh.push(await measure.take(mesh));
  }
  const ratio = median(values.mesh.map((value, index) => value / (values.plain[index] ?? Number.NaN)));
  console.log(`${measure.name} (${measure.unit})`);
  console.log(
    `  without mesh ${describe(values.plain)}   with mesh ${describe(values.mesh)}   ratio ${ratio.toFixed(2)}`,
  );
}
console.log(`\nseen by the agents inside node-1: ${await sameNodeConnections(mesh)} connections (must be 0)`);

/** One figure out of wrk's output: a latency in ms, or requests per second. */
async function wrk(lab: Lab, service: string, connections: number, figure: string): Promise<number> {
  const argv = ["wrk", "-t1", `-c${connections}`, "-d2s", "--latency", `http://${service}/`];
  const { stdout, stderr } = await lab.exec(CLIENT, argv);
  const line = stdout.split("\n").find((candidate) => candidate.trim().startsWith(figure));
  const match = /([\d.]+)(us|ms|s)?\s*$/.exec(line ?? "");
  if (match === null) throw new Error(`wrk did not print ${figure}: ${stdout}${stderr}`);
  const scale = { us: 0.001, ms: 1, s: 1_000 }[match[2] ?? "ms"] ?? 1;
  return Number(match[1]) * scale;
}

async function greeting(lab: Lab): Promise<number> {
  const program = path.join(ROOT, "e2e/pods/first-byte.ts");
  const { stdout } = await lab.exec(CLIENT, [process.execPath, program, "mariadb", "3306", String(GREETINGS)]);
  return median(JSON.parse(stdout) as number[]);
}

async function sameNodeConnections(lab: Lab): Promise<number> {
  const { body } = await lab.call("nodeHttp", { node: "node-1", path: "/metrics" });
  const lines = body.split("\n").filter((line) => line.startsWith("hawser_connections_opened_total{"));
  const near = lines.filter((line) => line.includes('destination_workload="near"'));
  return near.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function describe(values: readonly number[]): string {
  return `${median(values).toPrecision(3)} [${Math.min(...values).toPrecision(3)}, ${Math.max(...values).toPrecision(3)}]`;
}
