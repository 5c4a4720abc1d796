/** What /proc says about a process: when it started, what it uses. All zero or undefined for one that is gone. */
import { readFileSync } from "node:fs";

export interface ProcessUsage {
  readonly rssMb: number;
  readonly cpuSeconds: number;
}

// USER_HZ is 100 on every architecture Node runs on (sysconf(_SC_CLK_TCK), proc(5)).
const TICKS_PER_SECOND = 100;

export function processUsage(pid: number): ProcessUsage {
  const fields = statFields(pid);
  if (fields === undefined) return { rssMb: 0, cpuSeconds: 0 };
  // proc_pid_stat(5): utime is field 14, stime 15; `fields` starts with field 3.
  const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  return { rssMb: residentMb(pid), cpuSeconds };
}

/** The start time since boot in clock ticks: with the pid it names a process for good. Undefined for a zombie. */
export function processStartTicks(pid: number): number | undefined {
  const fields = statFields(pid);
  if (fields === undefined || fields[0] === "Z") return undefined;
  return Number(fields[19]);
}

export function parentPid(pid: number): number | undefined {
  const parent = statFields(pid)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

function residentMb(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
    return Math.round(Number(kilobytes) / 102.4) / 10;
  } catch {
    return 0;
  }
}

/** Fields from the third (state) on; the second, the name in parentheses, may itself contain spaces. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
