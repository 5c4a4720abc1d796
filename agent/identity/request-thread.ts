/**
 * Makes certificate requests in a thread that lives only while there are any: what X.509 takes is 12 MB, and is used for
 * some milliseconds twice a day.
 *
 *   no thread --create--> thread --idle for a while--> no thread
 *                            \----dies----> those that wait are rejected, the next one starts another
 */
import { Worker } from "node:worker_threads";
import type { Clock, Timer } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import { threadEntry } from "../thread-entry.ts";
import type { CertificateRequest } from "./certificate-request.ts";
import { identityLimits as limits } from "./limits.ts";

/** What the thread answers to an identity, in the order in which it was asked. */
export type RequestAnswer = { readonly request: CertificateRequest } | { readonly error: string };

interface Waiting {
  readonly resolve: (request: CertificateRequest) => void;
  readonly reject: (error: Error) => void;
}

/** It lives for a few requests: what it leaves may be collected often. V8's own size would be 48 MB. */
const HEAP = { maxYoungGenerationSizeMb: 3 } as const;

export class RequestThread {
  readonly #clock: Clock;
  #worker: Worker | undefined;
  #waiting: Waiting[] = [];
  #idle: Timer | undefined;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  get isRunning(): boolean {
    return this.#worker !== undefined;
  }

  /** Rejects with HawserError `request-failed` when the request cannot be made or the thread dies. */
  create(identity: string): Promise<CertificateRequest> {
    this.#idle?.cancel();
    this.#worker ??= this.#start();
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      worker.postMessage(identity);
    });
  }

  /** Those that wait are rejected. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#ended(worker, "the agent is stopping");
    await worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(threadEntry("./request-main.ts", import.meta.url), { resourceLimits: HEAP });
    // It must not keep an agent alive that has ended.
    worker.unref();
    worker.on("message", (answer: RequestAnswer) => this.#answered(answer));
    worker.once("error", (error) => this.#ended(worker, error instanceof Error ? error.message : String(error)));
    worker.once("exit", (code) => this.#ended(worker, `its thread exited with ${code}`));
    return worker;
  }

  #answered(answer: RequestAnswer): void {
    const first = this.#waiting.shift();
    if ("request" in answer) first?.resolve(answer.request);
    else first?.reject(failure(answer.error));
    if (this.#waiting.length > 0) return;
    this.#idle?.cancel();
    this.#idle = this.#clock.after(limits.requestThreadIdleMs, () => void this.close());
  }

  #ended(worker: Worker | undefined, reason: string): void {
    if (worker === undefined || worker !== this.#worker) return;
    this.#worker = undefined;
    this.#idle?.cancel();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(failure(reason));
  }
}

function failure(reason: string): HawserError {
  return new HawserError("request-failed", `Cannot make a certificate request: ${reason}`);
}
