/** What the whole machine does with its processors, from /proc/stat: in steps of 10 ms, so for windows of a second and more. */
import { readFileSync } from "node:fs";

export interface MachineCpu {
  readonly user: number;
  readonly system: number;
  readonly interrupts: number;
  readonly steal: number;
  readonly idle: number;
}

export function readMachineCpu(text = readFileSync("/proc/stat", "utf8")): MachineCpu {
  const fields = text.split("\n", 1)[0]?.trim().split(/\s+/).slice(1).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] = fields;
  return { user: user + nice, system, interrupts: irq + softIrq, steal, idle: idle + ioWait };
}

/** Shares of all processors' time between two readings; they add up to 1. */
export function machineCpuShares(before: MachineCpu, after: MachineCpu): MachineCpu {
  const keys = ["user", "system", "interrupts", "steal", "idle"] as const;
  const total = keys.reduce((sum, key) => sum + after[key] - before[key], 0);
  const share = (key: keyof MachineCpu): number => (total === 0 ? 0 : (after[key] - before[key]) / total);
  return {
    user: share("user"),
    system: share("system"),
    interrupts: share("interrupts"),
    steal: share("steal"),
    idle: share("idle"),
  };
}
