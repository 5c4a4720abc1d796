/** What Hawser wants to reach beside the best native peer of each figure (pure). Ratios are within one run. */
import type { Figure, LoadResult, TargetResult, VariantDescription } from "./bench-result.ts";
import type { MetricName } from "./metrics.ts";

interface RatioTarget {
  readonly load: string;
  readonly metric: MetricName;
  readonly title: string;
  readonly to: "best peer" | "direct";
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** How much memory an agent with one data worker may hold before any load. */
const IDLE_AGENT_MB = 90;
/** Same-node calls take the same way with and without the mesh: what is left is noise, of this size in a good run. */
const SAME_NODE_NOISE = 0.05;

const RATIO_TARGETS: readonly RatioTarget[] = [
  { load: "calls-64", metric: "cpuUs", title: "CPU per call, 64 connections", to: "best peer", atMost: 0.5 },
  { load: "calls-64", metric: "callsPerSecond", title: "calls/s, 64 connections", to: "best peer", atLeast: 1.4 },
  { load: "calls-256", metric: "callsPerSecond", title: "calls/s, 256 connections", to: "best peer", atLeast: 1.4 },
  { load: "http-64", metric: "cpuUs", title: "CPU per call, 64 connections, L7", to: "best peer", atMost: 0.5 },
  { load: "calls-1", metric: "addedP50Us", title: "added p50, 1 connection", to: "best peer", atMost: 1 },
  { load: "calls-64", metric: "p99Us", title: "p99, 64 connections", to: "best peer", atMost: 0.7 },
  { load: "bulk-1-up", metric: "mibPerSecond", title: "bulk up, 1 stream", to: "best peer", atLeast: 1 },
  { load: "bulk-1-down", metric: "mibPerSecond", title: "bulk down, 1 stream", to: "best peer", atLeast: 1 },
  { load: "bulk-8-up", metric: "mibPerSecond", title: "bulk up, 8 streams", to: "best peer", atLeast: 1 },
  { load: "bulk-8-down", metric: "mibPerSecond", title: "bulk down, 8 streams", to: "best peer", atLeast: 1 },
  { load: "connect", metric: "connectionsPerSecond", title: "new connections/s", to: "best peer", atLeast: 1.5 },
  { load: "idle", metric: "kibPerConnection", title: "memory per idle connection", to: "best peer", atMost: 1 },
  { load: "mixed", metric: "p99Us", title: "p99 of small calls beside bulk", to: "best peer", atMost: 0.5 },
  ...([1, 64] as const).map((connections) => ({
    load: `same-node-${connections}`,
    metric: "callsPerSecond" as const,
    title: `same node calls/s, ${connections} connection${connections === 1 ? "" : "s"}`,
    to: "direct" as const,
    atLeast: 1 - SAME_NODE_NOISE,
    atMost: 1 + SAME_NODE_NOISE,
  })),
];

/** Those that the run has figures for. */
export function judgeTargets(
  loads: readonly LoadResult[],
  variants: readonly VariantDescription[],
  workers: number,
): readonly TargetResult[] {
  return [...RATIO_TARGETS.flatMap((target) => judgeRatio(target, loads)), ...judgeIdleMemory(variants, workers)];
}

function judgeRatio(target: RatioTarget, loads: readonly LoadResult[]): readonly TargetResult[] {
  const { load, metric, title, to, atLeast, atMost } = target;
  const results = loads.find(({ id }) => id === load)?.results;
  const figure: Figure | undefined = results?.find(({ variant }) => variant === "hawser")?.figures[metric];
  const reached = to === "direct" ? figure?.toDirect : figure?.toBestPeer;
  if (figure === undefined || reached === undefined) return [];
  const met = (atLeast === undefined || reached >= atLeast) && (atMost === undefined || reached <= atMost);
  const id = `${load}-${metric}`;
  return [{ id, title: `${title} (to ${to})`, wanted: wantedText(atLeast, atMost), reached, met, noisy: figure.noisy }];
}

function wantedText(atLeast: number | undefined, atMost: number | undefined): string {
  if (atLeast !== undefined && atMost !== undefined) return `${atLeast} to ${atMost}`;
  return atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`;
}

function judgeIdleMemory(variants: readonly VariantDescription[], workers: number): readonly TargetResult[] {
  const idle = variants.find(({ name }) => name === "hawser")?.idle;
  if (idle === undefined || workers !== 1) return [];
  const reached = Math.max(idle.client.residentMb, idle.server.residentMb);
  const title = "agent's resident memory, idle, 1 worker (MB)";
  return [
    {
      id: "idle-agent-memory",
      title,
      wanted: `<= ${IDLE_AGENT_MB}`,
      reached,
      met: reached <= IDLE_AGENT_MB,
      noisy: false,
    },
  ];
}
