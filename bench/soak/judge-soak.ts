/** Whether an agent holds after a load what it held before, and whether its memory is flat under it (pure). */
import { median } from "../statistics.ts";
import {
  type AgentSoak,
  type CountName,
  COUNTS,
  MEMORY,
  type MemoryName,
  type SoakSample,
  type SoakVerdict,
} from "./soak-result.ts";

/** Of the median, over the part of the load that is looked at. Heaps breathe: what leaks grows on in every run, and beyond it. */
export const MEMORY_TOLERANCE = 0.1;
/** A short load ends while code is still being compiled and pools still find their size. */
const SHORT_SECONDS = 120;
export const SHORT_TOLERANCE = 0.4;
/** Until here an agent warms up. */
const WARM_UP_SHARE = 0.25;
/** Slopes of fewer pairs say nothing. */
const LEAST_SAMPLES = 12;
/**
 * Heaps, and the buffers that they hold outside, go up and down by as much with every collection, whatever the agent holds. A
 * hundred bytes that each request leaves are more within seconds.
 */
const BREATH_KIB = 16 * 1024;
/** The least of so many samples in a row is what is left after a collection. */
const FLOOR_SAMPLES = 4;

/**
 * A tunnel's lanes stay for minutes, and come as they are needed: one more is no leak. Each has a socket, and a timer for
 * its heartbeat and one for its idle time.
 */
const SPARE_TUNNELS = 3;
const PER_TUNNEL: Readonly<Partial<Record<CountName, number>>> = { tunnels: 1, sockets: 1, timers: 2 };

export function judgeSoak(agents: readonly AgentSoak[]): readonly SoakVerdict[] {
  return agents.flatMap((agent) => [
    ...COUNTS.map((name) => judgeCount(agent, name)),
    ...MEMORY.map((name) => judgeMemory(agent, name)),
  ]);
}

function judgeCount({ node, before, after }: AgentSoak, what: CountName): SoakVerdict {
  const most = before.counts[what] + (PER_TUNNEL[what] ?? 0) * SPARE_TUNNELS;
  const found = after.counts[what];
  return { node, what, wanted: `<= ${most}`, found, ok: found <= most };
}

function judgeMemory({ node, during }: AgentSoak, what: MemoryName): SoakVerdict {
  const seconds = during.at(-1)?.atSeconds ?? 0;
  const tolerance = seconds < SHORT_SECONDS ? SHORT_TOLERANCE : MEMORY_TOLERANCE;
  const warm = during.filter(({ atSeconds }) => atSeconds >= seconds * WARM_UP_SHARE);
  const { grownKib, found } = growth(warm, what);
  const ok = found <= tolerance || grownKib <= BREATH_KIB;
  return { node, what, wanted: `grows <= ${tolerance * 100} %`, found, ok };
}

/**
 * How much the floor of a value grows over the samples: the median of the slopes between all pairs of them (Theil and Sen), which a few
 * outliers do not move, times the time. `found` is that as a part of the median. NaN of too few samples.
 */
export function growth(
  samples: readonly SoakSample[],
  what: MemoryName,
): { readonly grownKib: number; readonly found: number } {
  if (samples.length < LEAST_SAMPLES) return { grownKib: Number.NaN, found: Number.NaN };
  const floor = floorOf(samples, what);
  const slopes = floor.flatMap((one, index) =>
    floor
      .slice(index + 1)
      .filter(({ atSeconds }) => atSeconds > one.atSeconds)
      .map((other) => (other.memory[what] - one.memory[what]) / (other.atSeconds - one.atSeconds)),
  );
  const seconds = (samples.at(-1)?.atSeconds ?? 0) - (samples[0]?.atSeconds ?? 0);
  const grownKib = median(slopes) * seconds;
  return { grownKib, found: grownKib / median(samples.map(({ memory }) => memory[what])) };
}

function floorOf(samples: readonly SoakSample[], what: MemoryName): readonly SoakSample[] {
  const floor: SoakSample[] = [];
  for (let at = 0; at + FLOOR_SAMPLES <= samples.length; at += FLOOR_SAMPLES) {
    const window = samples.slice(at, at + FLOOR_SAMPLES);
    floor.push(window.reduce((least, one) => (one.memory[what] < least.memory[what] ? one : least)));
  }
  return floor;
}
