/**
 * One controller, many simulated agents, a directory of documents: what changes and storms cost. Runs in a network
 * namespace of its own (see run-control-bench.ts).
 *
 *   cold start -> idle -> one change at a time -> sustained changes -> all connections cut -> controller killed
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { HawserError } from "../../core/errors.ts";
import { percentileMs } from "../../lab/shop/latency-histogram.ts";
import type { BenchPrograms } from "./bench-programs.ts";
import { ClusterFiles } from "./cluster-files.ts";
import type { ControlBenchOptions, ControlLoad, ControlPlaneReport, ControlStorm } from "./control-report.ts";
import { ControllerProcess } from "./controller-process.ts";
import { Fleet } from "./fleet.ts";
import { loopbackBytes } from "./loopback-bytes.ts";

/** Two, so that the agents' work is not on one core more than it would be anyway. */
const FLEET_PROCESSES = 2;
const CONVERGE_TIMEOUT_MS = 150_000;
const POLL_MS = 20;
const IDLE_MS = 3_000;
const SINGLE_CHANGES = 30;
/** Between two single changes: whatever waits for quiet has found it. */
const SINGLE_PAUSE_MS = 150;
/** Changes are written in small groups: a timer per change would be late more often than not. */
const INJECT_PERIOD_MS = 20;

export async function measureControlPlane(
  options: ControlBenchOptions,
  programs: BenchPrograms,
  onProgress: (phase: string) => void,
): Promise<ControlPlaneReport> {
  const directory = mkdtempSync(join(tmpdir(), "hawser-control-bench-"));
  const bed = new TestBed(options, programs.controller, directory);
  try {
    onProgress("cold start");
    const coldStart = await bed.coldStart();
    onProgress(`cold start took ${Math.round(coldStart.convergedMs)} ms; idle`);
    const idle = await bed.idle();
    onProgress("one change at a time");
    const single = await bed.single();
    onProgress(`p99 ${Math.round(single.p99Ms)} ms; ${options.rate} changes/s for ${options.seconds} s`);
    const sustained = await bed.sustained();
    onProgress(`p99 ${Math.round(sustained.p99Ms)} ms; all connections cut`);
    const reconnect = await bed.reconnect();
    const controller = bed.controllerUsage();
    onProgress(`took ${Math.round(reconnect.convergedMs)} ms; controller killed and started again`);
    const restart = await bed.restart();
    onProgress(`took ${Math.round(restart.convergedMs)} ms; comparing tables`);
    return { coldStart, idle, single, sustained, reconnect, restart, controller, ...(await bed.verdict()) };
  } finally {
    await bed.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Mark {
  readonly atMs: number;
  readonly bytes: number;
  readonly cpuSeconds: number;
  readonly sequence: number;
}

class TestBed {
  readonly #options: ControlBenchOptions;
  readonly #program: string;
  readonly #documents: ClusterFiles;
  readonly #state: string;
  #fleet: Fleet | undefined;
  #controller: ControllerProcess | undefined;
  #idleBytesPerMs = 0;
  #controllerMb = { listeningMb: Number.NaN, convergedMb: Number.NaN };

  constructor(options: ControlBenchOptions, program: string, directory: string) {
    const { agents, pods, services } = options;
    this.#options = options;
    this.#program = program;
    this.#documents = new ClusterFiles(directory, { nodes: agents, pods, services });
    this.#state = join(directory, "state");
  }

  async coldStart(): Promise<ControlPlaneReport["coldStart"]> {
    this.#documents.writeAll();
    this.#fleet = await Fleet.launch(Math.min(FLEET_PROCESSES, this.#options.agents));
    const beganMs = performance.now();
    this.#controller = await this.#startController();
    const listensMs = performance.now() - beganMs;
    const listeningMb = this.#controller.usage().rssMb;
    const { url } = this.#controller;
    this.#fleet.start({ url, controllerState: this.#state, agents: this.#options.agents });
    // Every agent's first report marks its node in the table: only then is the last one published.
    await this.#until("every node is marked", async () => (await this.#converged()) && (await this.#allMarked()));
    const convergedMs = performance.now() - beganMs;
    this.#controllerMb = { listeningMb, convergedMb: this.#controller.usage().rssMb };
    return { listensMs, convergedMs, controllerCpuSeconds: this.#mark().cpuSeconds, megabytes: loopbackBytes() / 1e6 };
  }

  async idle(): Promise<ControlPlaneReport["idle"]> {
    const before = this.#mark();
    await sleep(IDLE_MS);
    const after = this.#mark();
    this.#idleBytesPerMs = (after.bytes - before.bytes) / (after.atMs - before.atMs);
    return {
      bytesPerSecondPerAgent: (this.#idleBytesPerMs * 1_000) / this.#options.agents,
      controllerCpuPercent: ((after.cpuSeconds - before.cpuSeconds) * 100_000) / (after.atMs - before.atMs),
    };
  }

  single(): Promise<ControlLoad> {
    return this.#load(async () => {
      for (let change = 0; change < SINGLE_CHANGES; change += 1) {
        const { sequence } = this.#running();
        this.#documents.change();
        await this.#until("the change is in force", () => this.#converged(sequence + 1));
        await sleep(SINGLE_PAUSE_MS);
      }
    });
  }

  sustained(): Promise<ControlLoad> {
    const { rate, seconds, agents } = this.#options;
    return this.#load(async (changesBefore) => {
      const beganMs = performance.now();
      const total = Math.round(rate * seconds);
      while (this.#documents.changes < changesBefore + total) {
        const due = Math.min(total, Math.floor(((performance.now() - beganMs) * rate) / 1_000));
        while (this.#documents.changes < changesBefore + due) this.#documents.change();
        await sleep(INJECT_PERIOD_MS);
      }
      // What is missing after this time is missing, and told as such.
      await this.#until(
        "all changes are in force",
        async () => (await this.#samples()) >= total * agents,
        20_000,
        true,
      );
    });
  }

  reconnect(): Promise<ControlStorm> {
    return this.#storm(async () => this.#agents().cut());
  }

  restart(): Promise<ControlStorm> {
    return this.#storm(async () => {
      await this.#running().end("SIGKILL");
      this.#controller = await this.#startController();
    });
  }

  controllerUsage(): ControlPlaneReport["controller"] {
    const { peakMb, rssMb, cpuSeconds } = this.#running().usage();
    const { refusals } = this.#running();
    return { ...this.#controllerMb, peakMb, residentMb: rssMb, cpuSeconds, refusals };
  }

  async verdict(): Promise<Pick<ControlPlaneReport, "agentRefusals" | "tablesAgree">> {
    await this.#until("all agents have the last table", () => this.#converged());
    const { refused } = await this.#agents().state();
    const truth = JSON.parse(await this.#running().get("/config_dump")) as object;
    const tables = (await this.#agents().tables()).map((text) => JSON.parse(text) as object);
    return { agentRefusals: refused, tablesAgree: tables.every((table) => isDeepStrictEqual(table, truth)) };
  }

  async close(): Promise<void> {
    this.#fleet?.close();
    // A profile is only written by a process that ends in order.
    await this.#controller?.end("SIGTERM");
  }

  async #load(run: (changesBefore: number) => Promise<void>): Promise<ControlLoad> {
    this.#agents().forgetLatencies();
    const changesBefore = this.#documents.changes;
    const before = this.#mark();
    await run(changesBefore);
    const after = this.#mark();
    const { latencies, maxLatencyMs, samples } = await this.#agents().state(true);
    const changes = this.#documents.changes - changesBefore;
    const elapsedMs = after.atMs - before.atMs;
    const bytes = after.bytes - before.bytes - this.#idleBytesPerMs * elapsedMs;
    return {
      changes,
      p50Ms: percentileMs(latencies, 0.5),
      p99Ms: percentileMs(latencies, 0.99),
      maxMs: maxLatencyMs,
      samples,
      bytesPerChangePerAgent: bytes / changes / this.#options.agents,
      tables: after.sequence - before.sequence,
      controllerCpuSeconds: after.cpuSeconds - before.cpuSeconds,
      seconds: elapsedMs / 1_000,
    };
  }

  async #storm(strike: () => Promise<void>): Promise<ControlStorm> {
    const counts = await this.#agents().state();
    const before = this.#mark();
    await strike();
    // Not that of before: a controller that was killed may have to begin a new epoch.
    const least = this.#running().sequence + 1;
    this.#documents.change();
    await this.#until(
      "all agents are back",
      async () => (await this.#allConnected()) && (await this.#converged(least)),
    );
    const after = this.#mark();
    const { snapshots, deltas } = await this.#agents().state();
    return {
      convergedMs: after.atMs - before.atMs,
      snapshots: snapshots - counts.snapshots,
      deltas: deltas - counts.deltas,
      // A restarted process begins at nought.
      controllerCpuSeconds: after.cpuSeconds - (after.cpuSeconds < before.cpuSeconds ? 0 : before.cpuSeconds),
      megabytes: (after.bytes - before.bytes) / 1e6,
    };
  }

  #startController(): Promise<ControllerProcess> {
    const { runtimeFlags } = this.#options;
    const { path: documents } = this.#documents;
    return ControllerProcess.start({ program: this.#program, documents, state: this.#state, runtimeFlags });
  }

  #running(): ControllerProcess {
    if (this.#controller === undefined) throw new HawserError("not-started", "The controller was not started yet");
    return this.#controller;
  }

  #agents(): Fleet {
    if (this.#fleet === undefined) throw new HawserError("not-started", "The agents were not started yet");
    return this.#fleet;
  }

  #mark(): Mark {
    const { cpuSeconds } = this.#running().usage();
    return { atMs: performance.now(), bytes: loopbackBytes(), cpuSeconds, sequence: this.#running().sequence };
  }

  async #samples(): Promise<number> {
    return (await this.#agents().state()).samples;
  }

  async #allConnected(): Promise<boolean> {
    return (await this.#agents().state()).connected === this.#options.agents;
  }

  /** Every agent has the newest published table, and that is at least this one. */
  async #converged(atLeast = 1): Promise<boolean> {
    const { leastSequence, epoch } = await this.#agents().state();
    const { sequence, epoch: newest } = this.#running();
    return epoch === newest && leastSequence === sequence && sequence >= atLeast;
  }

  async #allMarked(): Promise<boolean> {
    return (await this.#agents().state()).markedNodes === this.#options.agents;
  }

  async #until(
    what: string,
    check: () => Promise<boolean>,
    timeoutMs = CONVERGE_TIMEOUT_MS,
    lenient = false,
  ): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    while (!(await check())) {
      if (performance.now() > deadlineMs) {
        if (lenient) return;
        throw new HawserError(
          "not-converged",
          `Gave up waiting until ${what}: ${JSON.stringify(await this.#agents().state())}`,
        );
      }
      await sleep(POLL_MS);
    }
  }
}
