/** The children of a process, read from /proc without the optional `children` file (CONFIG_PROC_CHILDREN). */
import { readdirSync } from "node:fs";
import { parentPid } from "../cluster/process-usage.ts";

export function allPids(): readonly number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

export function childPids(pid: number): readonly number[] {
  return allPids().filter((candidate) => parentPid(candidate) === pid);
}
