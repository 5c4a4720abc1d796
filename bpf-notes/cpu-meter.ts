/**
 * What a load cost, by three clocks: the agents' threads (schedstat, exact), everything of the lab with its clients and
 * servers (cpu.stat, exact), and the whole machine (/proc/stat, by ticks), in which alone kernel threads are.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { TestBench } from "./test-bench.ts";

export interface CpuReading {
  readonly agentsUs: number;
  readonly labUs: number;
  /** User, system, interrupts; neither idle nor stolen. */
  readonly machineUs: number;
  readonly softirqUs: number;
  readonly stolenUs: number;
}

// USER_HZ is 100 on every architecture Node runs on (sysconf(_SC_CLK_TCK), proc(5)).
const TICK_US = 10_000;

export function readCpu(bench: TestBench): CpuReading {
  const fields = readFileSync("/proc/stat", "utf8").split("\n")[0]?.split(/\s+/).slice(1).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, stolen = 0] = fields;
  return {
    agentsUs: bench.agentPids.reduce((sum, pid) => sum + processCpuUs(pid), 0),
    labUs: bench.cgroup.usageUs,
    machineUs: (user + nice + system + irq + softirq) * TICK_US,
    softirqUs: softirq * TICK_US,
    stolenUs: stolen * TICK_US,
  };
}

export function cpuBetween(before: CpuReading, after: CpuReading): CpuReading {
  return {
    agentsUs: after.agentsUs - before.agentsUs,
    labUs: after.labUs - before.labUs,
    machineUs: after.machineUs - before.machineUs,
    softirqUs: after.softirqUs - before.softirqUs,
    stolenUs: after.stolenUs - before.stolenUs,
  };
}

/** What softirqs did on top of its threads is in it. */
function processCpuUs(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      // A thread may end between the listing and the look.
    }
  }
  return nanoseconds / 1_000;
}
