/** The lab's processes by the host's numbers: bpf(2) works on the host's side, while the lab's status has the lab's own. */
import { readFileSync, readlinkSync } from "node:fs";
import { HawserError } from "../core/errors.ts";
import { allPids } from "../lab/launcher/process-tree.ts";

/** `initPid`: the lab's first process as the host sees it. */
export function hostPid(initPid: number, labPid: number): number {
  const namespace = pidNamespace(initPid);
  const found = allPids().find((pid) => innerPid(pid) === labPid && pidNamespace(pid) === namespace);
  if (found === undefined) throw new HawserError("no-process", `The lab has no process ${labPid}`);
  return found;
}

function pidNamespace(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

/** The last number of NSpid is the process's own view of itself. */
function innerPid(pid: number): number | undefined {
  try {
    const numbers = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]?.split(/\s+/);
    return Number(numbers?.at(-1));
  } catch {
    return undefined;
  }
}
