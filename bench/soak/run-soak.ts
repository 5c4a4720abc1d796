/**
 * A soak, on a lab of its own:
 *
 *   traffic of every kind, a little -> silence: before -> traffic, looked at all the time -> silence: after -> verdicts
 */
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { HawserError } from "../../core/errors.ts";
import { type Lab, startLab } from "../../lab/lab-client.ts";
import { ProcessGroup } from "../measure/process-group.ts";
import type { Progress } from "../report/progress.ts";
import { judgeSoak } from "./judge-soak.ts";
import { sampleAgent } from "./sample-agent.ts";
import type { AgentSoak, SoakResult, SoakSample } from "./soak-result.ts";
import { sendTraffic } from "./traffic.ts";

const CLUSTER = path.join(import.meta.dirname, "cluster.yaml");
/** Code is compiled, and as many lanes of tunnels are there as it takes. */
const WARM_UP_SECONDS = 6;
/** Until the last of it is closed: servers keep idle connections for 5 s, agents count their sockets every 5 s. */
const SILENCE_SECONDS = 14;
/** Programs of the traffic start and end. */
const OVERHEAD_SECONDS = 8;
/** Enough points for a slope, also of half a minute. */
const SAMPLES = 120;
const LEAST_PERIOD_MS = 1_000;

interface WatchedAgent {
  readonly node: string;
  readonly process: ProcessGroup;
}

export async function runSoak(loadSeconds: number, progress: Progress, signal: AbortSignal): Promise<SoakResult> {
  const startedAt = new Date().toISOString();
  progress.start(OVERHEAD_SECONDS + WARM_UP_SECONDS + 2 * SILENCE_SECONDS + loadSeconds);
  await using lab = await startLab({
    file: CLUSTER,
    signal,
    onProgress: (detail) => progress.show(detail),
  });
  const agents = await agentsOf(lab);
  progress.show("a little of every kind of traffic");
  await sendTraffic(lab, WARM_UP_SECONDS);
  const before = await afterSilence(lab, agents, progress, signal);
  progress.show("traffic");
  const during = await watch(lab, agents, sendTraffic(lab, loadSeconds), loadSeconds, signal);
  const after = await afterSilence(lab, agents, progress, signal);
  const soaks = agents.map(({ node }, index): AgentSoak => {
    return {
      node,
      before: before[index] as SoakSample,
      during: during.samples.map((row) => row[index] as SoakSample),
      after: after[index] as SoakSample,
    };
  });
  return { format: 1, startedAt, loadSeconds, traffic: during.traffic, agents: soaks, verdicts: judgeSoak(soaks) };
}

async function agentsOf(lab: Lab): Promise<readonly WatchedAgent[]> {
  const { agents } = await lab.status();
  if (agents.length === 0) throw new HawserError("no-agent", "The lab has no agent to watch");
  return agents.map(({ node, pid }) => ({ node, process: new ProcessGroup(() => [lab.hostPid(pid)]) }));
}

async function afterSilence(
  lab: Lab,
  agents: readonly WatchedAgent[],
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly SoakSample[]> {
  progress.show("silence");
  await delay(SILENCE_SECONDS * 1_000, undefined, { signal });
  return await sampleAll(lab, agents, 0);
}

/** A row of samples, one per agent, again and again until the traffic is over. */
async function watch(
  lab: Lab,
  agents: readonly WatchedAgent[],
  traffic: Promise<Readonly<Record<string, number>>>,
  loadSeconds: number,
  signal: AbortSignal,
) {
  const over = new AbortController();
  const ended = traffic.finally(() => over.abort());
  // Awaited below, and not to be an unhandled rejection until then.
  ended.catch(() => {});
  const startedMs = performance.now();
  const periodMs = Math.max(LEAST_PERIOD_MS, (loadSeconds * 1_000) / SAMPLES);
  const samples: (readonly SoakSample[])[] = [];
  while (!over.signal.aborted) {
    samples.push(await sampleAll(lab, agents, (performance.now() - startedMs) / 1_000));
    await delay(periodMs, undefined, { signal: AbortSignal.any([over.signal, signal]) }).catch(() => {});
    signal.throwIfAborted();
  }
  return { traffic: await ended, samples };
}

async function sampleAll(lab: Lab, agents: readonly WatchedAgent[], atSeconds: number): Promise<readonly SoakSample[]> {
  return await Promise.all(agents.map(({ node, process: agent }) => sampleAgent(lab, node, agent, atSeconds)));
}
