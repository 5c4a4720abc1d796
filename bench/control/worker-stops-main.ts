/**
 * A process with one real data worker that gets a table and changes of it. How long the worker's event loop stands still is
 * how long a question that was posted behind a message waits for its answer, that the question alone takes included: what
 * the message costs to be cloned, and all that the worker does about it.
 *
 *   node worker-stops-main.cjs <input file>     (a bundle; in a network namespace of its own)
 */
import { readFileSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import type { FromWorker, ToWorker } from "../../agent/worker/messages.ts";
import { TableState } from "../../routing/table-state.ts";
import { quantile } from "../statistics.ts";
import { startDataWorker } from "./start-data-worker.ts";
import type { WorkerStopsInput } from "./worker-stops.ts";

const QUESTIONS = 100;

const input = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as WorkerStopsInput;

async function main(): Promise<void> {
  const worker = startDataWorker(input.node);
  await received(worker, (message) => message.kind === "listening");
  const alone: number[] = [];
  for (let question = 0; question < QUESTIONS; question += 1) alone.push(await timeAnswer(worker));
  tell("a question alone", alone);
  const { snapshot } = input;
  const beganMs = performance.now();
  const table = new TableState(snapshot);
  tell("main thread, the first snapshot", [performance.now() - beganMs]);
  tell("the first snapshot", [await timeAnswer(worker, { kind: "snapshot", table: snapshot })]);
  for (const [what, deltas] of input.changes) {
    const applied: number[] = [];
    const times: number[] = [];
    for (const delta of deltas) {
      const beganApplyMs = performance.now();
      table.apply(delta);
      applied.push(performance.now() - beganApplyMs);
      times.push(await timeAnswer(worker, { kind: "delta", delta }));
    }
    tell(`main thread, ${what}`, applied);
    tell(what, times);
  }
  await worker.terminate();
}

let questions = 0;

/** From when the message has been posted: posting it is the main thread's work. */
async function timeAnswer(worker: Worker, message?: ToWorker): Promise<number> {
  questions += 1;
  const id = questions;
  if (message !== undefined) worker.postMessage(message);
  const askedMs = performance.now();
  worker.postMessage({ kind: "inspect", id, service: "" } satisfies ToWorker);
  await received(worker, (answer) => answer.kind === "inspected" && answer.id === id);
  return performance.now() - askedMs;
}

function received(worker: Worker, isIt: (message: FromWorker) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const listener = (message: FromWorker): void => {
      if (!isIt(message)) return;
      worker.off("message", listener);
      resolve();
    };
    worker.on("message", listener);
  });
}

function tell(what: string, times: readonly number[]): void {
  const figures = [0.5, 0.99, 1].map((part) => quantile(times, part).toFixed(2)).join(" / ");
  console.log(`${what.padEnd(40)} ${figures} ms`);
}

void main();
