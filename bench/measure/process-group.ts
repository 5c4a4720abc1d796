/**
 * The processes of one side of a proxy: what they have used of the processors, and how much memory they hold.
 *
 * CPU time is the scheduler's own sum in nanoseconds (first field of /proc/<pid>/task/<tid>/schedstat), of all threads;
 * the ticks of /proc/<pid>/stat are 10 ms each. The time of a thread that has ended is lost: proxies keep theirs.
 */
import { readdirSync, readFileSync } from "node:fs";
import { HawserError } from "../../core/errors.ts";

export class ProcessGroup {
  readonly #find: () => readonly number[];
  #pids: readonly number[] | undefined;

  /** `find` is asked once, at the first use. */
  constructor(find: () => readonly number[]) {
    this.#find = find;
  }

  get pids(): readonly number[] {
    this.#pids ??= this.#find();
    if (this.#pids.length === 0) throw new HawserError("no-process", "A measured process is not there any more");
    return this.#pids;
  }

  cpuNs(): number {
    return this.pids.reduce((sum, pid) => sum + processCpuNs(pid), 0);
  }

  residentKib(): number {
    return this.pids.reduce((sum, pid) => sum + residentKib(pid), 0);
  }
}

function processCpuNs(pid: number): number {
  return threadsOf(pid).reduce((sum, thread) => sum + threadCpuNs(pid, thread), 0);
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch (cause) {
    throw new HawserError("no-process", `Process ${pid} has ended while it was measured`, { cause });
  }
}

function threadCpuNs(pid: number, thread: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  } catch (cause) {
    const error = cause as NodeJS.ErrnoException;
    // The thread has ended since the directory was read.
    if (error.code === "ESRCH") return 0;
    throw new HawserError("no-schedstat", "The kernel does not tell CPU times (CONFIG_SCHED_INFO)", { cause });
  }
}

function residentKib(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? Number.NaN);
}
