/**
 * Starts the thread of a data worker with a heap of its own size.
 *
 * V8 takes the process's flag for the young generation (build/node-flags.ts, made for the main thread) for every heap
 * that it makes later on, before what a thread's limits say. So the flag is taken back first; the main thread's heap, which
 * has been made, keeps its size.
 */
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { WorkerSettings } from "./messages.ts";
import { workerResourceLimits } from "./resource-limits.ts";

export function startWorkerThread(program: URL | string, workerData: WorkerSettings): Worker {
  setFlagsFromString("--max-semi-space-size=0");
  return new Worker(program, { workerData, resourceLimits: workerResourceLimits });
}
