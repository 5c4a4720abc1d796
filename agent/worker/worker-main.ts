/** Entry point of a data worker's thread. */
import { parentPort, workerData } from "node:worker_threads";
import { HawserError } from "../../core/errors.ts";
import { DataWorker } from "./data-worker.ts";
import type { ToWorker, WorkerSettings } from "./messages.ts";

const port = parentPort;
if (port === null) throw new HawserError("not-a-worker", "This program runs only as a thread of the agent");

const worker = new DataWorker(workerData as WorkerSettings, (message) => port.postMessage(message));
port.on("message", (message: ToWorker) => worker.handle(message));
await worker.start();
