/** Entry point of a data worker's thread. */
import { parentPort, workerData } from "node:worker_threads";
import { HawserError } from "../../core/errors.ts";
import { loadEngine } from "../tunnel/engines.ts";
import { DataWorker } from "./data-worker.ts";
import type { ToWorker, WorkerSettings } from "./messages.ts";

async function main(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new HawserError("not-a-worker", "This program runs only as a thread of the agent");
  const settings = workerData as WorkerSettings;
  const worker = new DataWorker(settings, await loadEngine(settings.engine), (message) => port.postMessage(message));
  // What came before waits in the port.
  port.on("message", (message: ToWorker) => worker.handle(message));
  await worker.start();
}

void main();
