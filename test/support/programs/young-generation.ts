/** Starts itself as the thread of a data worker, which fills its young generation and tells how large it has become. */
import { getHeapSpaceStatistics } from "node:v8";
import { isMainThread, parentPort } from "node:worker_threads";
import type { WorkerSettings } from "../../../agent/worker/messages.ts";
import { startWorkerThread } from "../../../agent/worker/start-worker-thread.ts";

const OBJECTS = 300_000;
/** So many are alive at once, that it grows. */
const ALIVE = 5_000;

if (isMainThread) {
  const worker = startWorkerThread(new URL(import.meta.url), {} as WorkerSettings);
  worker.once("message", (bytes: number) => process.stdout.write(`${bytes}\n`));
} else parentPort?.postMessage(fill());

function fill(): number {
  let alive: object[] = [];
  for (let count = 0; count < OBJECTS; count += 1) {
    if (alive.length > ALIVE) alive = [];
    alive.push({ count, list: [count] });
  }
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space")?.space_size ?? 0;
}
