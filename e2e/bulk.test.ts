/** Bytes in bulk between pods of different nodes: whole, in order, and without harm to their neighbours. */
import type { Lab } from "../lab/lab-client.ts";
import { parsePrometheusText } from "../lab/report/prometheus-text.ts";
import type { BulkOptions, BulkResult } from "./pods/bulk-client.ts";
import type { EchoStormOptions, EchoStormResult } from "./pods/echo-storm.ts";
import type { LatencyProbeOptions, LatencyProbeResult } from "./pods/latency-probe.ts";
import { clientPod, mesh, pod, service } from "./support/cluster-documents.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";
import { runProgram } from "./support/run-program.ts";

const MIB = 1024 * 1024;
const BULK_PORT = 7001;
const ECHO_PORT = 7002;

const story = await labStories(
  [
    mesh({ encryption: "strict" }),
    clientPod("client", 1),
    // Outside the mesh, on the same way otherwise: what it meets is the machine's doing.
    pod({ name: "outsider", node: 1, command: ["sleep", "infinity"], annotations: { "hawser.dev/mesh": "disabled" } }),
    pod({
      name: "server",
      node: 2,
      command: [
        "sh",
        "-c",
        `node e2e/pods/bulk-server.ts ${BULK_PORT} & exec node e2e/pods/echo-server.ts ${ECHO_PORT}`,
      ],
      port: ECHO_PORT,
    }),
    service({ name: "server", number: 101, selector: { app: "server" }, ports: [BULK_PORT, ECHO_PORT] }),
  ],
  { workers: 2 },
);

const IPV6_SERVICE = "fd10:96::101";

story("1 GiB each way arrives with the checksum it left with", async (t, lab) => {
  const up = await transfer(lab, { uploadBytes: 1024 * MIB });
  const down = await transfer(lab, { downloadBytes: 1024 * MIB });
  t.true(up.uploadIntact);
  t.true(down.downloadIntact);
  t.is(down.downloadedBytes, 1024 * MIB);
  await eventually("both agents to have counted these bytes", { timeoutMs: 4_000 }, async () => {
    const carried = await Promise.all(["node-1", "node-2"].map((node) => carriedBytes(lab, node)));
    return carried.every((bytes) => bytes > 2048 * MIB);
  });
  t.log(`up ${speed(up.uploadedBytes, up)}, down ${speed(down.downloadedBytes, down)}`);
});

story("IPv6 carries 128 MiB both ways at once", async (t, lab) => {
  const result = await transfer(lab, { host: IPV6_SERVICE, uploadBytes: 128 * MIB, downloadBytes: 128 * MIB });
  t.true(result.uploadIntact);
  t.true(result.downloadIntact);
  t.is(result.downloadedBytes, 128 * MIB);
  t.log(speed(256 * MIB, result));
});

const STALL_MS = 30_000;
const CALM_SECONDS = 10;

story("a reader that stops reading neither slows its neighbours nor fills the agents", async (t, lab) => {
  const probeSeconds = CALM_SECONDS + STALL_MS / 1000;
  const probes = Promise.all([probe(lab, "client", probeSeconds), probe(lab, "outsider", probeSeconds)]);
  // What the stories before have left to collect is collected.
  await seconds(3);
  const warmMs = Date.now();
  await seconds(CALM_SECONDS - 4);
  const calmRss = await agentRss(lab);
  await seconds(1);
  const stalledFromMs = Date.now();
  const size = { uploadBytes: 64 * MIB, downloadBytes: 64 * MIB };
  const transfers = Promise.all([
    transfer(lab, { ...size, clientPauseMs: STALL_MS }),
    transfer(lab, { ...size, serverPauseMs: STALL_MS }),
  ]);
  // The windows fill within the first moments.
  await seconds(4);
  const settledMs = Date.now();
  await seconds(STALL_MS / 1000 - 6);
  const stalledRss = await agentRss(lab);
  const [{ samples }, machine] = await probes;
  const results = await transfers;

  for (const result of results) {
    t.true(result.uploadIntact && result.downloadIntact);
    t.true(result.seconds * 1000 > STALL_MS);
  }
  const before = new RoundTrips(samples.filter(([atMs]) => atMs > warmMs && atMs < stalledFromMs));
  const during = new RoundTrips(samples.filter(([atMs]) => atMs > settledMs));
  const outside = new RoundTrips(machine.samples.filter(([atMs]) => atMs > settledMs));
  t.log(`before ${before.text}; during the stall ${during.text}; outside the mesh ${outside.text}`);
  t.true(during.median <= Math.max(2 * before.median, QUICK_MS));
  t.true(during.p99 <= Math.max(2 * before.p99, 2 * outside.p99, NOISE_MS));
  for (const [node, rssMb] of stalledRss) {
    const growthMb = rssMb - (calmRss.get(node) ?? 0);
    t.true(growthMb <= STALLED_RSS_GROWTH_MB, `Agent of ${node} grew by ${growthMb} MB`);
    t.log(`${node}: ${calmRss.get(node)?.toFixed(0)} -> ${rssMb.toFixed(0)} MB`);
  }
});

/** Round trips that nobody would call slow. */
const QUICK_MS = 5;
/** What a busy machine of two cores adds now and then; a neighbour held up by a stalled stream waits for seconds. */
const NOISE_MS = 40;
/** Stream windows and socket buffers of four stalled directions, and what the garbage collector leaves lying about. */
const STALLED_RSS_GROWTH_MB = 32;

story("2,000 connections echo random sizes for a minute without a wrong byte", async (t, lab) => {
  const options: EchoStormOptions = {
    host: "server",
    port: ECHO_PORT,
    connections: 2_000,
    seconds: 60,
    maxMessageBytes: 64 * 1024,
  };
  const result = await runProgram<EchoStormResult>(lab, "client", "echo-storm.ts", [JSON.stringify(options)], 105_000);
  t.is(result.wrongBytes, 0);
  t.deepEqual(result.failures, {});
  t.is(result.peakConnections, options.connections);
  t.is(result.completed, options.connections);
  t.true(result.messages > options.connections);
  t.log(`${result.messages} messages, ${(result.echoedBytes / MIB).toFixed(0)} MiB`);
});

function transfer(lab: Lab, options: Partial<BulkOptions>): Promise<BulkResult> {
  const all: BulkOptions = {
    host: "server",
    port: BULK_PORT,
    uploadBytes: 0,
    downloadBytes: 0,
    serverPauseMs: 0,
    clientPauseMs: 0,
    ...options,
  };
  return runProgram(lab, "client", "bulk-client.ts", [JSON.stringify(all)], 90_000);
}

function probe(lab: Lab, podName: string, forSeconds: number): Promise<LatencyProbeResult> {
  const options: LatencyProbeOptions = {
    host: "server",
    port: ECHO_PORT,
    connections: 8,
    messageBytes: 200,
    intervalMs: 40,
    seconds: forSeconds,
  };
  return runProgram(lab, podName, "latency-probe.ts", [JSON.stringify(options)], 90_000);
}

/** Through tunnels to or from the server, both ways. */
async function carriedBytes(lab: Lab, node: string): Promise<number> {
  const { body } = await lab.call("nodeHttp", { node, path: "/metrics" });
  const samples = parsePrometheusText(body, "hawser_").filter(({ name, labels }) => {
    return /_(sent|received)_bytes_total$/.test(name) && labels["path"] === "tunnel";
  });
  return samples.reduce((sum, sample) => sum + sample.value, 0);
}

async function agentRss(lab: Lab): Promise<ReadonlyMap<string, number>> {
  const { agents } = await lab.status();
  return new Map(agents.map((agent) => [agent.node, agent.rssMb]));
}

class RoundTrips {
  readonly median: number;
  readonly p99: number;

  constructor(samples: LatencyProbeResult["samples"]) {
    const sorted = samples.map(([, roundTripMs]) => roundTripMs).toSorted((a, b) => a - b);
    this.median = sorted[Math.floor(sorted.length * 0.5)] ?? Number.NaN;
    this.p99 = sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
  }

  get text(): string {
    return `p50 ${this.median.toFixed(2)} ms, p99 ${this.p99.toFixed(2)} ms`;
  }
}

function speed(bytes: number, result: BulkResult): string {
  return `${(bytes / MIB / result.seconds).toFixed(0)} MiB/s`;
}

/** The length of a phase of the story, not a wait for something. */
function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}
