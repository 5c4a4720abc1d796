/**
 * Listens on the underlay of a lab, as someone with access to its wires would, and judges whether anything was readable.
 *
 * The listening is done by a thread of its own, so that a busy wire does not slow the process down that runs the lab.
 * A capture that cannot start or ends early fails loudly: silence would look like a clean wire.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Clock } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import type { WireCapture, WireCaptureTarget } from "../lab-status.ts";
import type { CaptureNews, CaptureOrder } from "./capture-worker.ts";
import { STOP_TIMEOUT_MS } from "./limits.ts";
import type { DetailedWireSummary } from "./wire-summary.ts";

export interface UnderlayCaptureOptions {
  /** CIDRs of the pods of all nodes. */
  readonly podCidrs: readonly string[];
  /** Ports on which everything is TLS, beside the tunnels' and the controller's. */
  readonly otherTlsPorts: readonly number[];
  readonly clock: Clock;
}

/** Runs in a process that may enter the targets' network namespaces. Used once: start, summaries, stop. */
export class UnderlayCapture implements WireCapture {
  readonly #options: UnderlayCaptureOptions;
  #worker: Worker | undefined;
  #latest: DetailedWireSummary | undefined;
  #failure: HawserError | undefined;
  #stopped = false;

  constructor(options: UnderlayCaptureOptions) {
    this.#options = options;
  }

  /** Resolves when every target is heard. Rejects with HawserError `capture-failed`. */
  async start(targets: readonly WireCaptureTarget[]): Promise<void> {
    const { podCidrs, otherTlsPorts } = this.#options;
    const order: CaptureOrder = { targets, podCidrs, otherTlsPorts };
    const worker = new Worker(new URL("./capture-worker.ts", import.meta.url), { workerData: order });
    this.#worker = worker;
    worker.on("message", (news: CaptureNews) => this.#hear(news));
    worker.on("error", (cause) => this.#fail("its thread failed", cause));
    worker.on("exit", () => {
      if (!this.#stopped) this.#fail("its thread has ended");
    });
    await Promise.race([once(worker, "message"), once(worker, "exit")]);
    if (this.#failure === undefined) return;
    await worker.terminate();
    throw this.#failure;
  }

  /** At most a quarter of a second old. Throws HawserError `capture-failed` when a part of the wire is no longer heard. */
  summary(): DetailedWireSummary {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#latest === undefined) throw new HawserError("capture-failed", "Capture has not been started");
    return this.#latest;
  }

  /** Judges everything that was on the wire before the call. */
  async stop(): Promise<DetailedWireSummary> {
    const worker = this.#worker;
    if (worker === undefined || this.#failure !== undefined) return this.summary();
    const ended = once(worker, "exit");
    worker.postMessage("stop");
    const timer = this.#options.clock.after(STOP_TIMEOUT_MS, () => {
      this.#fail("it did not stop");
      void worker.terminate();
    });
    await ended;
    timer.cancel();
    return this.summary();
  }

  #hear(news: CaptureNews): void {
    if (news.kind === "failed") {
      this.#fail(news.reason);
      return;
    }
    this.#latest = news.summary;
    if (news.kind === "stopped") this.#stopped = true;
  }

  #fail(reason: string, cause?: unknown): void {
    this.#failure ??= new HawserError("capture-failed", `Underlay is not heard: ${reason}`, { cause });
  }
}
