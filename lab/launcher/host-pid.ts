/** The machine's own pid of a process that a lab knows by the pid of its private pid namespace. */
import { readFileSync, readlinkSync } from "node:fs";
import { HawserError } from "../../core/errors.ts";
import { allPids } from "./process-tree.ts";

/** `initPid`: the lab's first process as the machine sees it. */
export function hostPid(initPid: number, labPid: number): number {
  const namespace = pidNamespaceOf(initPid);
  const found = allPids().find((pid) => innermostPid(pid) === labPid && pidNamespaceOf(pid) === namespace);
  if (found === undefined) throw new HawserError("no-process", `Process ${labPid} of the lab has ended`);
  return found;
}

/** proc_pid_status(5): NSpid has the pid in each namespace the process is in, from the reader's to its own. */
function innermostPid(pid: number): number | undefined {
  try {
    const line = /^NSpid:(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return line === undefined ? undefined : Number(line.trim().split(/\s+/).at(-1));
  } catch {
    return undefined;
  }
}

function pidNamespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}
