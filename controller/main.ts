/**
 * The controller's process: reads flags and environment once, starts a Controller, ends it in order on SIGTERM.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log, LogLevel } from "../core/log.ts";
import { createPinoLog } from "../core/pino-log.ts";
import { returnMemoryRegularly } from "../core/return-memory.ts";
import { openKubeClient } from "../kubernetes/open-kube-client.ts";
import { parseDurationMs } from "../protocol/documents/duration.ts";
import { CONTROL_PORT, CONTROLLER_ADMIN_PORT } from "../protocol/ports.ts";
import { Controller } from "./controller.ts";
import { filesPlatform } from "./files-platform.ts";
import { kubernetesPlatform } from "./kubernetes/kubernetes-platform.ts";
import { SourceMetrics } from "./kubernetes/source-metrics.ts";
import { parseListenAddress, type ListenAddress } from "./listen-address.ts";
import { ControllerMetrics } from "./metrics.ts";
import type { Platform } from "./platform.ts";
import { StateFiles } from "./state-files.ts";

interface Settings {
  readonly source: "files" | "kubernetes";
  readonly documents?: string;
  readonly namespace: string;
  readonly state: string;
  readonly listen: ListenAddress;
  readonly admin: ListenAddress;
  readonly serverName: readonly string[];
  readonly trustDomain: string;
  readonly leafLifetime: number;
  readonly logLevel: LogLevel;
}

/** Loopback names are for tests and for an agent on the controller's own machine. */
const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "::1"];
/** A certificate has to outlive its own request, the half life and the agents' retries. */
const SHORTEST_LEAF_MS = 10_000;
/** A second SIGTERM, or a peer that does not let go, must not keep the process for ever. */
const CLOSE_DEADLINE_MS = 5_000;
/** Changes of a large cluster leave some 20 MB in this time. */
const RETURN_MEMORY_PERIOD_MS = 15_000;

function address(text: string): ListenAddress {
  try {
    return parseListenAddress(text);
  } catch (error) {
    throw new InvalidArgumentError(describeError(error));
  }
}

function lifetime(text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= SHORTEST_LEAF_MS) return ms;
  throw new InvalidArgumentError(`Expected a duration of at least ${SHORTEST_LEAF_MS / 1_000}s such as 24h or 30m.`);
}

function names(text: string, previous: readonly string[]): string[] {
  return [...previous, ...text.split(",").filter((name) => name !== "")];
}

function readSettings(): Settings {
  const option = (flags: string, env: string, description: string): Option =>
    new Option(flags, description).env(`HAWSER_CONTROLLER_${env}`);
  const level = option("--log-level <level>", "LOG_LEVEL", "least urgent lines to log");
  const command = new Command("hawser-controller");
  const settings = command
    .description("Compiles the cluster's documents into one routing table for all agents, and signs their certificates")
    .addOption(
      option("--source <name>", "SOURCE", "what the mesh stands on: documents in files, or a Kubernetes cluster")
        .choices(["files", "kubernetes"])
        .default("files"),
    )
    .addOption(option("--documents <dir>", "DOCUMENTS", "files: directory of YAML documents"))
    .addOption(option("--namespace <name>", "NAMESPACE", "kubernetes: Hawser's own").default("hawser-system"))
    .addOption(
      option(
        "--state <dir>",
        "STATE",
        "directory for the last table; files: for keys and tokens too",
      ).makeOptionMandatory(),
    )
    .addOption(
      option("--listen <address>", "LISTEN", "where agents connect; without a host: IPv4 and IPv6")
        .argParser(address)
        .default({ port: CONTROL_PORT }, `:${CONTROL_PORT}`),
    )
    .addOption(
      option("--admin <address>", "ADMIN", "probes, metrics and status")
        .argParser(address)
        .default({ host: "127.0.0.1", port: CONTROLLER_ADMIN_PORT }, `127.0.0.1:${CONTROLLER_ADMIN_PORT}`),
    )
    .addOption(
      option(
        "--server-name <name>",
        "SERVER_NAMES",
        "DNS name or address under which agents dial; repeatable, or a list with commas",
      )
        .argParser(names)
        .default([], "localhost"),
    )
    .addOption(
      option("--trust-domain <name>", "TRUST_DOMAIN", "when the Mesh document names none").default("cluster.local"),
    )
    .addOption(
      option("--leaf-lifetime <duration>", "LEAF_LIFETIME", "of workload certificates")
        .argParser(lifetime)
        .default(24 * 3_600_000, "24h"),
    )
    .addOption(level.choices(["debug", "info", "warn", "error"]).default("info"))
    .parse()
    .opts<Settings>();
  if (settings.source === "files" && settings.documents === undefined) {
    command.error("error: --documents (HAWSER_CONTROLLER_DOCUMENTS) is required with --source files");
  }
  return settings;
}

interface PlatformParts {
  readonly settings: Settings;
  readonly stateFiles: StateFiles;
  readonly metrics: ControllerMetrics;
  readonly log: Log;
}

async function createPlatform({ settings, stateFiles, metrics, log }: PlatformParts): Promise<Platform> {
  const { namespace, trustDomain } = settings;
  if (settings.source === "kubernetes") {
    const sourceMetrics = new SourceMetrics(metrics.registry);
    const client = await openKubeClient({ environment: process.env, metrics: sourceMetrics });
    // The pod's name is unique at any time, the rest tells its lives apart.
    const identity = `${hostname()}_${randomUUID()}`;
    const parts = { client, namespace, identity, trustDomain, metrics, sourceMetrics };
    return kubernetesPlatform({ ...parts, clock: systemClock, random: Math.random, log });
  }
  return filesPlatform({
    documentsDirectory: settings.documents ?? "",
    stateDirectory: settings.state,
    stateFiles,
    trustDomain,
    countFailure: () => metrics.storeFailures.inc(),
    clock: systemClock,
    log,
  });
}

async function createController(settings: Settings, log: Log): Promise<Controller> {
  const metrics = new ControllerMetrics();
  metrics.collectProcessMetrics();
  const countFailure = (): void => metrics.storeFailures.inc();
  const stateFiles = new StateFiles({ directory: settings.state, clock: systemClock, log, count: countFailure });
  return new Controller({
    platform: await createPlatform({ settings, stateFiles, metrics, log }),
    stateFiles,
    listen: settings.listen,
    admin: settings.admin,
    serverNames: [...new Set([...settings.serverName, ...LOOPBACK_NAMES])],
    trustDomain: settings.trustDomain,
    leafLifetimeMs: settings.leafLifetime,
    metrics,
    clock: systemClock,
    log,
  });
}

function stopOnSignals(controller: Controller, log: Log & { flush(): void }): void {
  const stop = (signal: string): void => {
    log.info({ signal }, "Controller stops");
    const exit = (): never => {
      log.flush();
      process.exit(0);
    };
    systemClock.after(CLOSE_DEADLINE_MS, exit);
    void controller.close().then(exit, exit);
  };
  process.once("SIGTERM", () => stop("SIGTERM"));
  process.once("SIGINT", () => stop("SIGINT"));
}

async function main(): Promise<void> {
  const settings = readSettings();
  const log = createPinoLog({ level: settings.logLevel, base: { component: "controller" } });
  let controller: Controller | undefined;
  try {
    controller = await createController(settings, log);
    stopOnSignals(controller, log);
    returnMemoryRegularly({ clock: systemClock, log, periodMs: RETURN_MEMORY_PERIOD_MS });
    const ports = await controller.start();
    log.info({ event: "listening", port: ports.channel, adminPort: ports.admin }, "Controller listens for agents");
  } catch (error) {
    log.error({ error: describeError(error) }, "Controller cannot start");
    log.flush();
    process.exitCode = 1;
    await controller?.close();
  }
}

void main();
