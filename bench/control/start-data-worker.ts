/** One real data worker, as an agent starts it, for programs that measure what it does with tables. */
import { Worker } from "node:worker_threads";
import { Marks } from "../../agent/netfilter/marks.ts";
import { threadEntry } from "../../agent/thread-entry.ts";
import type { WorkerSettings } from "../../agent/worker/messages.ts";
import { workerResourceLimits } from "../../agent/worker/resource-limits.ts";

/** Where it listens; in a network namespace of its own nobody else does. */
export const WORKER_PORTS = { outboundPort: 15_101, inboundPort: 15_106 } as const;

/** Its program lies in the folder of the bundle that calls this. */
export function startDataWorker(node: string): Worker {
  const settings: WorkerSettings = {
    workers: 1,
    index: 0,
    node,
    logLevel: "error",
    mark: Marks.own,
    ipv6: false,
    engine: "framing",
    ticketKeys: new Uint8Array(48),
    ...WORKER_PORTS,
  };
  const program = threadEntry("./worker-main.ts", import.meta.url);
  return new Worker(program, { workerData: settings, resourceLimits: workerResourceLimits });
}
