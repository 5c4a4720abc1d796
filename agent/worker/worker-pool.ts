/**
 * The data workers, seen from the main thread: starts them, feeds all of them the same tables and certificates, and
 * replaces one that died (its connections are lost, the others' are not).
 */
import type { Worker } from "node:worker_threads";
import type { Clock } from "../../core/clock.ts";
import { describeError, HawserError } from "../../core/errors.ts";
import type { LiveEndpoint, WorkerProtection } from "../../protocol/live-state.ts";
import type { TableSnapshot } from "../../protocol/table.ts";
import type { RelayedLog } from "../../core/pino-log.ts";
import { timers } from "../limits.ts";
import type { ProtectionReading } from "../http/protect/protection-reading.ts";
import type { WorkerQuotaUsage } from "../quota/quota-messages.ts";
import { threadEntry } from "../thread-entry.ts";
import { relayLines } from "../telemetry/log-relay.ts";
import type { AgentMetrics } from "../telemetry/metrics.ts";
import type { TlsCredentials } from "../tunnel/tls-settings.ts";
import { Inquiries } from "./inquiries.ts";
import type { DrainOrder, FromWorker, ToWorker, WorkerSettings } from "./messages.ts";
import { startWorkerThread } from "./start-worker-thread.ts";

export interface WorkerPoolOptions {
  readonly count: number;
  readonly settings: Omit<WorkerSettings, "index">;
  /** The table in force, for a worker that starts late. */
  readonly table: () => TableSnapshot | undefined;
  readonly credentials: () => readonly TlsCredentials[];
  readonly onQuotaUsage: (worker: number, usage: readonly WorkerQuotaUsage[]) => void;
  readonly onDied: (worker: number) => void;
  readonly metrics: AgentMetrics;
  readonly log: RelayedLog;
  readonly clock: Clock;
}

interface Slot {
  readonly index: number;
  worker: Worker | undefined;
  listening: boolean;
  drained: ((aborted: number) => void) | undefined;
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #slots: Slot[];
  readonly #inquiries: Inquiries<readonly LiveEndpoint[]>;
  readonly #protectionInquiries: Inquiries<WorkerProtection>;
  #started = false;
  #stopping = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#inquiries = new Inquiries(options.clock);
    this.#protectionInquiries = new Inquiries(options.clock);
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      index,
      worker: undefined,
      listening: false,
      drained: undefined,
    }));
  }

  /** Resolves when every worker listens. */
  async start(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => this.#startOne(slot)));
    this.#started = true;
  }

  get listening(): boolean {
    return this.#slots.every((slot) => slot.listening);
  }

  broadcast(message: ToWorker): void {
    for (const slot of this.#slots) slot.worker?.postMessage(message);
  }

  /** Nothing happens when that worker is just not there. */
  post(worker: number, message: ToWorker): void {
    this.#slots[worker]?.worker?.postMessage(message);
  }

  /** Lets every worker finish what it has; resolves with the number of connections cut at the deadline. */
  async drain(order: DrainOrder): Promise<number> {
    this.#stopping = true;
    const aborted = await Promise.all(this.#slots.map((slot) => this.#drainOne(slot, order)));
    for (const { worker } of this.#slots) await worker?.terminate();
    return aborted.reduce((sum, count) => sum + count, 0);
  }

  /** What the workers know of a Service's endpoints; of one that does not answer in time nothing. */
  async inspect(service: string): Promise<readonly LiveEndpoint[]> {
    const answers = await this.#ask(this.#inquiries, (id) => ({ kind: "inspect", id, service }));
    return answers.flat();
  }

  /** How that stands which protects requests of these scopes; likewise. */
  async inspectProtection(scopes: readonly string[]): Promise<WorkerProtection> {
    const ask = (id: number): ToWorker => ({ kind: "inspect-protection", id, scopes });
    const answers = await this.#ask(this.#protectionInquiries, ask);
    return {
      breakers: answers.flatMap(({ breakers }) => breakers),
      gates: answers.flatMap(({ gates }) => gates),
      rates: answers.flatMap(({ rates }) => rates),
    };
  }

  async #ask<T>(inquiries: Inquiries<T>, question: (id: number) => ToWorker): Promise<readonly T[]> {
    return await inquiries.ask(
      this.#slots.map(({ index }) => index),
      (index, id) => {
        const worker = this.#slots[index]?.worker;
        if (worker !== undefined) post(worker, question(id));
        return worker !== undefined;
      },
    );
  }

  #startOne(slot: Slot): Promise<void> {
    const { settings, table, credentials } = this.#options;
    const workerData: WorkerSettings = { ...settings, index: slot.index };
    const program = threadEntry("./worker-main.ts", import.meta.url);
    const worker = startWorkerThread(program, workerData);
    slot.worker = worker;
    // Before it listens: the first connection must find a table and certificates.
    const snapshot = table();
    if (snapshot !== undefined) post(worker, { kind: "snapshot", table: snapshot });
    post(worker, { kind: "credentials", credentials: credentials() });
    return new Promise((resolve, reject) => {
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "listening") resolve();
        this.#received(slot, message);
      });
      worker.once("error", (error) => this.#died(slot, error, reject));
      worker.once("exit", (code) =>
        this.#died(slot, new HawserError("worker-exit", `Worker exited with ${code}`), reject),
      );
    });
  }

  #received(slot: Slot, message: FromWorker): void {
    const { metrics, log } = this.#options;
    switch (message.kind) {
      case "listening":
        slot.listening = true;
        return;
      case "metrics":
        metrics.merge(slot.index, message.batch);
        return;
      case "logs":
        relayLines(message, log, slot.index);
        return;
      case "quota-usage":
        this.#options.onQuotaUsage(slot.index, message.usage);
        return;
      case "drained":
        slot.drained?.(message.aborted);
        return;
      case "inspected": {
        const endpoints = message.endpoints.map((reading) => ({ worker: slot.index, ...reading }));
        this.#inquiries.answer(message.id, slot.index, endpoints);
        return;
      }
      case "protection-inspected":
        this.#protectionInquiries.answer(message.id, slot.index, ofWorker(slot.index, message.protection));
        return;
    }
  }

  #died(slot: Slot, error: unknown, reject: (error: unknown) => void): void {
    if (slot.worker === undefined) return;
    const { metrics, log, clock, onDied } = this.#options;
    const wasListening = slot.listening;
    slot.worker = undefined;
    slot.listening = false;
    slot.drained?.(0);
    this.#inquiries.forget(slot.index);
    this.#protectionInquiries.forget(slot.index);
    metrics.forgetWorker(slot.index);
    onDied(slot.index);
    if (this.#stopping) return;
    const facts = { event: "worker-died", worker: slot.index, error: describeError(error), stack: stackOf(error) };
    log.error(facts, "A data worker died, its connections are lost, starting another");
    metrics.controlEvent("workers", "died");
    reject(error);
    // A worker that cannot even start with the agent is its owner's affair.
    if (!wasListening && !this.#started) return;
    clock.after(timers.workerRestartMs, () => {
      // One that dies again, and be it while it starts, comes through here again; nobody waits for this promise.
      if (!this.#stopping) this.#startOne(slot).catch(() => {});
    });
  }

  async #drainOne(slot: Slot, order: DrainOrder): Promise<number> {
    const { worker } = slot;
    if (worker === undefined) return 0;
    return await new Promise((resolve) => {
      slot.drained = resolve;
      post(worker, { kind: "drain", ...order });
    });
  }
}

function ofWorker(worker: number, { breakers, gates, rates }: ProtectionReading): WorkerProtection {
  return {
    breakers: breakers.map((each) => ({ worker, ...each })),
    gates: gates.map((each) => ({ worker, ...each })),
    rates: rates.map((each) => ({ worker, ...each })),
  };
}

function post(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
