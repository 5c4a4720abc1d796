/**
 * One run: starts everything, sends every load over every variant in turns, and gives the document of its figures.
 *
 *   load 1:  round 1  A B C   round 2  B C A   round 3  C A B      then load 2 ...
 *
 * Whoever comes first in one round comes last in the next: what drifts on the machine hits everybody alike.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { BenchResult, LoadResult, Slice, VariantDescription } from "./bench-result.ts";
import { HawserError } from "../core/errors.ts";
import { describeMachine } from "./measure/describe-machine.ts";
import { machineCpuShares, readMachineCpu } from "./measure/machine-cpu.ts";
import type { ProcessGroup } from "./measure/process-group.ts";
import type { Load, LoadSettings } from "./loads/load.ts";
import type { Progress } from "./report/progress.ts";
import { summariseLoad } from "./summarise.ts";
import { judgeTargets } from "./targets.ts";
import type { VariantName } from "./variants.ts";
import { BenchWorld } from "./world/bench-world.ts";
import type { Variant } from "./world/variant.ts";

export interface BenchSettings extends LoadSettings {
  readonly loads: readonly Load[];
  readonly variants: readonly VariantName[];
  readonly skipped: readonly string[];
  readonly rounds: number;
  readonly workers: number;
  /** Before the first measured slice of a load that runs in every round. 0: none. */
  readonly warmUpSeconds: number;
  /** Before what is idle is measured. */
  readonly settleSeconds: number;
  readonly idleSeconds: number;
}

/** A slice's programs start, and its counters are read. */
const OVERHEAD_SECONDS = 0.4;
/** Two labs and the peers. */
const START_SECONDS = 12;

export async function runBench(settings: BenchSettings, progress: Progress, signal: AbortSignal): Promise<BenchResult> {
  const startedMs = Date.now();
  progress.start(
    START_SECONDS + settings.settleSeconds + settings.idleSeconds + remainingSeconds(settings, settings.loads),
  );
  await using world = new BenchWorld({
    names: settings.variants,
    workers: settings.workers,
    signal,
    onProgress: (detail) => progress.show(detail),
  });
  await world.start();
  progress.show("everything idle");
  await abortable(delay(settings.settleSeconds * 1_000), signal);
  const variants = await describeIdle(world.variants, settings.idleSeconds);
  const loads: LoadResult[] = [];
  for (const [index, load] of settings.loads.entries()) {
    progress.left(remainingSeconds(settings, settings.loads.slice(index)));
    const result = await abortable(runLoad(load, settings, world.variants, progress, signal), signal);
    if (result !== undefined) loads.push(result);
  }
  return {
    format: 1,
    startedAt: new Date(startedMs).toISOString(),
    seconds: Math.round((Date.now() - startedMs) / 1_000),
    machine: await describeMachine(settings.variants),
    settings: {
      rounds: settings.rounds,
      sliceSeconds: settings.sliceSeconds,
      idleConnections: settings.idleConnections,
      workers: settings.workers,
    },
    variants,
    skipped: settings.skipped,
    loads,
    targets: judgeTargets(loads, variants, settings.workers),
  };
}

async function runLoad(
  load: Load,
  settings: BenchSettings,
  all: readonly Variant[],
  progress: Progress,
  signal: AbortSignal,
): Promise<LoadResult | undefined> {
  const variants = all.filter((variant) => load.suits(variant));
  const rounds = roundsOf(load, settings);
  const warm = { ...settings, sliceSeconds: settings.warmUpSeconds };
  for (const variant of warmsUp(load, settings) ? variants : []) {
    signal.throwIfAborted();
    progress.show(`${load.id} warming up ${variant.name}`);
    await measure(load, variant, warm, progress);
  }
  const slices: Slice[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const variant of rotated(variants, round)) {
      signal.throwIfAborted();
      progress.show(`${load.id} round ${round + 1} of ${rounds} ${variant.name}`);
      slices.push(await runSlice(load, variant, round, settings, progress));
    }
  }
  if (slices.length === 0) return undefined;
  const { id, title, unit, metrics } = load;
  const order = (name: VariantName): number => settings.variants.indexOf(name);
  const results = summariseLoad(slices, metrics).toSorted((a, b) => order(a.variant) - order(b.variant));
  return { id, title, ...(unit === undefined ? {} : { unit }), metrics, results, slices };
}

async function runSlice(
  load: Load,
  variant: Variant,
  round: number,
  settings: LoadSettings,
  progress: Progress,
): Promise<Slice> {
  const before = readMachineCpu();
  const values = await measure(load, variant, settings, progress);
  return { variant: variant.name, round, values, machine: machineCpuShares(before, readMachineCpu()) };
}

/** A second try, and a word about it: half an hour of figures is not lost for one connection of a client's. */
async function measure(
  load: Load,
  variant: Variant,
  settings: LoadSettings,
  progress: Progress,
): Promise<Slice["values"]> {
  try {
    return await load.run(variant, settings);
  } catch (error) {
    if (!(error instanceof HawserError)) throw error;
    progress.note(`${load.id} again, over ${variant.name}: ${error.message}`);
    return load.run(variant, settings);
  }
}

function rotated<T>(values: readonly T[], by: number): readonly T[] {
  const shift = values.length === 0 ? 0 : by % values.length;
  return [...values.slice(shift), ...values.slice(0, shift)];
}

function roundsOf(load: Load, settings: BenchSettings): number {
  return load.repeat === "once" ? 1 : settings.rounds;
}

function warmsUp(load: Load, settings: BenchSettings): boolean {
  return load.repeat === "every round" && settings.warmUpSeconds > 0;
}

function remainingSeconds(settings: BenchSettings, loads: readonly Load[]): number {
  const secondsOf = (load: Load): number => {
    const slice = load.secondsPerSlice(settings) + OVERHEAD_SECONDS;
    const warmUp = warmsUp(load, settings)
      ? load.secondsPerSlice({ ...settings, sliceSeconds: settings.warmUpSeconds }) + OVERHEAD_SECONDS
      : 0;
    return (roundsOf(load, settings) * slice + warmUp) * settings.variants.length;
  };
  return loads.reduce((sum, load) => sum + secondsOf(load), 0);
}

/** What every process uses when nothing is sent. */
async function describeIdle(variants: readonly Variant[], seconds: number): Promise<readonly VariantDescription[]> {
  const groups = variants.flatMap(({ proxies }) => (proxies === undefined ? [] : [proxies.client, proxies.server]));
  const startedMs = performance.now();
  const before = new Map(groups.map((group) => [group, group.cpuNs()]));
  await delay(seconds * 1_000);
  const elapsedNs = (performance.now() - startedMs) * 1e6;
  const usageOf = (group: ProcessGroup) => ({
    residentMb: group.residentKib() / 1_024,
    cpuPercent: ((group.cpuNs() - (before.get(group) ?? 0)) / elapsedNs) * 100,
  });
  return variants.map(({ name, title, proxies }) =>
    proxies === undefined
      ? { name, title }
      : { name, title, idle: { client: usageOf(proxies.client), server: usageOf(proxies.server) } },
  );
}

/** A slice under way is not waited for: the labs end its programs. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => {});
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", stop, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
