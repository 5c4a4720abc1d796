/**
 * What the whole machine does with its processors, from /proc/stat and the processes that are no part of the run: in
 * steps of 10 ms, so for windows of a second and more.
 */
import { readFileSync } from "node:fs";
import { parentPid, processUsage } from "../../lab/cluster/process-usage.ts";
import { allPids } from "../../lab/launcher/process-tree.ts";
import { descendantPids } from "./descendant-pids.ts";

/** Shares of all processors' time; those of /proc/stat add up to 1. */
export interface MachineCpu {
  readonly user: number;
  readonly system: number;
  readonly interrupts: number;
  readonly steal: number;
  readonly idle: number;
  /** Part of user and system: of programs that ran on the machine beside the bench, from beginning to end. */
  readonly others: number;
}

export interface MachineCpuReading {
  /** Ticks, as /proc/stat has them. */
  readonly stat: StatTicks;
  /** Pid -> CPU seconds of processes that are no part of the run. */
  readonly others: ReadonlyMap<number, number>;
}

type StatTicks = Readonly<Record<"user" | "system" | "interrupts" | "steal" | "idle", number>>;

// USER_HZ, see lab/cluster/process-usage.ts.
const TICKS_PER_SECOND = 100;
/** kthreadd, whose children they are. */
const KERNEL_THREADS = 2;

export function readMachineCpu(): MachineCpuReading {
  // All that we started is below us, the labs' processes included.
  const ours = new Set([process.pid, ...descendantPids(process.pid)]);
  const others = allPids().filter((pid) => !ours.has(pid) && !isKernelThread(pid));
  return {
    stat: parseStat(readFileSync("/proc/stat", "utf8")),
    others: new Map(others.map((pid) => [pid, processUsage(pid).cpuSeconds])),
  };
}

export function machineCpuShares(before: MachineCpuReading, after: MachineCpuReading): MachineCpu {
  const delta = (key: keyof StatTicks): number => after.stat[key] - before.stat[key];
  const total = delta("user") + delta("system") + delta("interrupts") + delta("steal") + delta("idle");
  const share = (ticks: number): number => (total === 0 ? 0 : ticks / total);
  return {
    user: share(delta("user")),
    system: share(delta("system")),
    interrupts: share(delta("interrupts")),
    steal: share(delta("steal")),
    idle: share(delta("idle")),
    others: share(othersSeconds(before.others, after.others) * TICKS_PER_SECOND),
  };
}

export function parseStat(text: string): StatTicks {
  const fields = text.split("\n", 1)[0]?.trim().split(/\s+/).slice(1).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] = fields;
  return { user: user + nice, system, interrupts: irq + softIrq, steal, idle: idle + ioWait };
}

/** They work for everybody: softirqs of our own packets, too. */
function isKernelThread(pid: number): boolean {
  return pid === KERNEL_THREADS || parentPid(pid) === KERNEL_THREADS;
}

/** A process that came or went in between is not counted, nor is one that was replaced by another of its pid. */
function othersSeconds(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): number {
  const used = [...after].map(([pid, seconds]) => seconds - (before.get(pid) ?? seconds));
  return used.reduce((sum, seconds) => sum + Math.max(0, seconds), 0);
}
