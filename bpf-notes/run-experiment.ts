/**
 * Runs one experiment: for each load its arms take turns, in the opposite order in every other round, so that whatever
 * the machine does meanwhile meets all of them.
 */
import { cpuBetween, readCpu } from "./cpu-meter.ts";
import { AS_IS } from "./experiment.ts";
import type { Arm, Experiment } from "./experiment.ts";
import { reportTable } from "./report-table.ts";
import type { Slice } from "./report-table.ts";
import type { TestBench } from "./test-bench.ts";
import { runWrk } from "./wrk.ts";
import type { Load } from "./wrk.ts";

export interface RunOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Only loads whose name contains this. */
  readonly load: string;
}

/** A closed connection keeps its port for a minute: all slices of an experiment together must not run out of them. */
const CLOSING_SECONDS = 1;

export async function runExperiment(bench: TestBench, experiment: Experiment, options: RunOptions): Promise<void> {
  console.log(`\n${experiment.name}: ${experiment.about}`);
  const arms = experiment.arms.filter(({ observedOnly }) => observedOnly !== true);
  for (const load of experiment.loads.filter(({ name }) => name.includes(options.load))) {
    const seconds = load.closing ? CLOSING_SECONDS : options.seconds;
    const slices = arms.map((): Slice[] => []);
    await measureArm(bench, experiment, AS_IS, load, 1); // warms up caches, JIT and tunnels
    for (let round = 0; round < options.rounds; round += 1) {
      const order = [...arms.entries()];
      for (const [index, arm] of round % 2 === 0 ? order : order.reverse()) {
        slices[index]?.push(await measureArm(bench, experiment, arm, load, seconds));
      }
    }
    console.log(`\n  ${load.name}; costs per ${load.unit}; ${options.rounds} rounds of ${seconds} s`);
    const names = arms.map(({ name }) => name);
    for (const line of reportTable(names, slices)) console.log(`  ${line}`);
  }
  await observe(bench, experiment);
}

async function measureArm(
  bench: TestBench,
  experiment: Experiment,
  arm: Arm,
  load: Load,
  seconds: number,
): Promise<Slice> {
  await using _inForce = await arm.enter(bench);
  const before = readCpu(bench);
  const result = await runWrk(bench, load, experiment.authority(bench), seconds, experiment.ownCgroup ?? false);
  return { result, cpu: cpuBetween(before, readCpu(bench)) };
}

async function observe(bench: TestBench, { arms, observe: look }: Experiment): Promise<void> {
  if (look === undefined) return;
  for (const arm of arms) {
    await using _inForce = await arm.enter(bench);
    console.log(`\n  ${arm.name}`);
    for (const line of await look(bench)) console.log(`    ${line}`);
  }
}
