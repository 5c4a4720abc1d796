/** The thread of an UnderlayCapture: listens, and tells what it has counted now and then and at the end. */
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { WireCaptureTarget } from "../lab-status.ts";
import { RING_TIMEOUT_MS, SUMMARY_PERIOD_MS } from "./limits.ts";
import { UnderlayListener } from "./underlay-listener.ts";
import type { DetailedWireSummary } from "./wire-summary.ts";

export interface CaptureOrder {
  readonly targets: readonly WireCaptureTarget[];
  readonly podCidrs: readonly string[];
  readonly otherTlsPorts: readonly number[];
}

/** What the thread says: `listening` first or `failed`, then summaries, `stopped` as the last. Told anything, it stops. */
export type CaptureNews =
  | { readonly kind: "listening" | "summary" | "stopped"; readonly summary: DetailedWireSummary }
  | { readonly kind: "failed"; readonly reason: string };

const order = workerData as CaptureOrder;
const port = parentPort;
const fail = (error: unknown) => tell({ kind: "failed", reason: describeError(error) });
const listener = new UnderlayListener({ ...order, clock: systemClock, onError: fail });

function tell(news: CaptureNews): void {
  port?.postMessage(news);
}

function listen(): void {
  listener.start();
  tell({ kind: "listening", summary: listener.summary() });
  const timer = systemClock.every(SUMMARY_PERIOD_MS, () => tell({ kind: "summary", summary: listener.summary() }));
  port?.once("message", () => {
    timer.cancel();
    // Not unref'ed: it is all that keeps the thread alive by now.
    setTimeout(finish, 2 * RING_TIMEOUT_MS);
  });
}

/** By now the kernel has handed over the blocks that were not full. */
function finish(): void {
  listener.drain();
  tell({ kind: "stopped", summary: listener.summary() });
  listener[Symbol.dispose]();
  port?.close();
}

try {
  listen();
} catch (error) {
  fail(error);
}
