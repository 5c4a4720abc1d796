/**
 * `npm run up`: starts a lab and shows it until Ctrl-C; or, with --for and --report, runs it for a while and prints one
 * JSON document about it on standard output (everything else goes to standard error).
 *
 * Exit code 0: all was well. 1: the reason is the last line on standard error.
 */
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Command, InvalidArgumentError, Option } from "commander";
import { describeError } from "../core/errors.ts";
import type { EncryptionMode } from "../protocol/table.ts";
import { ASSETS_VARIABLE, kubernetesAssets } from "./kubernetes/kubernetes-assets.ts";
import { startLab } from "./lab-client.ts";
import type { Lab, StartLabOptions } from "./lab-client.ts";
import type { LabIntercept, NetfilterBackend } from "./lab-status.ts";
import { buildReport } from "./report/build-report.ts";
import { StartProgress } from "./start-progress.ts";
import { runView } from "./view/view.ts";

interface Flags {
  readonly file: string;
  readonly name: string;
  readonly mesh: boolean;
  readonly kubernetes?: boolean;
  readonly for?: number;
  readonly report?: "json";
  readonly encryption?: EncryptionMode;
  readonly backend: NetfilterBackend;
  readonly workers: number;
  readonly agentNodes?: string[];
  readonly rpFilter: string;
  readonly bridgeNetfilter?: boolean;
  readonly intercept: LabIntercept;
  readonly logLevel: string;
}

function parseFlags(argv: readonly string[]): Flags {
  return new Command("up")
    .description(
      "Starts a three-node cluster on this machine, inside namespaces of its own, and shows what happens in it.",
    )
    .option("--file <path>", "documents of the cluster", path.join(import.meta.dirname, "cluster.yaml"))
    .option("--name <name>", "several labs with different names may run at the same time", "default")
    .option("--no-mesh", "the same cluster with kube-proxy only, to compare")
    .option("--kubernetes", `on a real API server, out of the folder that ${ASSETS_VARIABLE} names`)
    .option("--for <duration>", "end after this long, such as 20s or 2m", durationMs)
    .addOption(new Option("--report <format>", "print a report at the end").choices(["json"]))
    .addOption(new Option("--encryption <mode>", "instead of the Mesh document's").choices(["strict", "permissive"]))
    .addOption(new Option("--backend <name>", "iptables of the nodes").choices(["nft", "legacy"]).default("nft"))
    .option("--workers <count>", "data threads per agent", positiveInteger, 1)
    .option("--agent-nodes <names...>", "nodes that get an agent (default: all)")
    .addOption(new Option("--rp-filter <value>", "rp_filter of the nodes").choices(["0", "1", "2"]).default("2"))
    .option("--bridge-netfilter", "br_netfilter on the nodes' bridges, as bridge CNI plugins have it")
    .addOption(new Option("--intercept <how>", "of the agents").choices(["auto", "tproxy", "redirect"]).default("auto"))
    .option("--log-level <level>", "of controller and agents", "info")
    .parse([...argv])
    .opts<Flags>();
}

function durationMs(text: string): number {
  const match = /^(\d+)(ms|s|m)$/.exec(text);
  if (match === null) throw new InvalidArgumentError("It must be such as 500ms, 20s or 2m.");
  const factor = { ms: 1, s: 1_000, m: 60_000 }[match[2] as "ms" | "s" | "m"];
  return Number(match[1]) * factor;
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number above 0.");
  return value;
}

function labOptions(flags: Flags, signal: AbortSignal, progress: StartProgress): StartLabOptions {
  return {
    name: flags.name,
    file: flags.file,
    mesh: flags.mesh,
    backend: flags.backend,
    workers: flags.workers,
    rpFilter: Number(flags.rpFilter) as 0 | 1 | 2,
    bridgeNetfilter: flags.bridgeNetfilter ?? false,
    intercept: flags.intercept,
    logLevel: flags.logLevel,
    capture: true,
    onProgress: (detail) => progress.show(detail),
    signal,
    ...(flags.kubernetes === true ? { kubernetes: kubernetesAssets(process.env[ASSETS_VARIABLE]) } : {}),
    ...(flags.encryption === undefined ? {} : { encryption: flags.encryption }),
    ...(flags.agentNodes === undefined ? {} : { agentNodes: flags.agentNodes }),
  };
}

/** Runs the lab until its time is over or it was interrupted. Gives the reasons why all is not well. */
async function show(lab: Lab, flags: Flags, signal: AbortSignal): Promise<void> {
  const end = flags.for === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(flags.for)]);
  const died = new AbortController();
  void lab.ended.then(() => died.abort());
  const over = AbortSignal.any([end, died.signal]);
  if (flags.report === undefined) await runView(lab, { output: process.stdout, signal: over });
  else await delay(2 ** 31 - 1, undefined, { signal: over }).catch(() => {});
  if (died.signal.aborted) throw new Error("The lab ended by itself");
}

async function run(flags: Flags, signal: AbortSignal): Promise<readonly string[]> {
  const progress = new StartProgress(process.stderr);
  const lab = await startLab(labOptions(flags, signal, progress));
  progress.end();
  let report: Awaited<ReturnType<typeof buildReport>> | undefined;
  let leftovers: readonly string[] = [];
  try {
    await show(lab, flags, signal);
    if (flags.report !== undefined) report = await buildReport(lab);
  } finally {
    leftovers = await lab.stop();
  }
  const problems = [...(report?.problems ?? []), ...leftovers.map((one) => `Left behind: ${one}`)];
  if (report !== undefined) {
    process.stdout.write(`${JSON.stringify({ ...report, ok: problems.length === 0, problems, leftovers })}\n`);
    if (signal.aborted) problems.push("Interrupted before the time was over");
  }
  return problems;
}

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupted.abort());
try {
  const problems = await run(parseFlags(process.argv), interrupted.signal);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  console.error(describeError(error));
  process.exitCode = 1;
}
