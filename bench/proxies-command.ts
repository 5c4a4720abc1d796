/** `bench proxies`: options, the run, and where its figures go. */
import { existsSync } from "node:fs";
import path from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { HawserError } from "../core/errors.ts";
import { ALL_LOADS, chooseLoads, LOAD_GROUPS, QUICK_LOADS } from "./loads/all-loads.ts";
import type { Load } from "./loads/load.ts";
import { chooseVariants } from "./choose-variants.ts";
import { Progress } from "./report/progress.ts";
import { renderTables } from "./report/render-tables.ts";
import { writeResults } from "./report/write-results.ts";
import { type BenchSettings, runBench } from "./run-bench.ts";
import { raiseFileLimit } from "./world/file-limit.ts";
import { VARIANT_NAMES, type VariantName } from "./variants.ts";

interface Flags {
  readonly quick?: boolean;
  readonly rounds?: number;
  readonly seconds?: number;
  readonly loads?: readonly Load[];
  readonly variants?: readonly VariantName[];
  readonly idleConnections?: number;
  readonly workers: number;
  readonly output: string;
  readonly json?: boolean;
}

/** Medians of five outlive two bad slices. An agent has collected what its start has left when it is half a minute old. */
const FULL = {
  rounds: 5,
  sliceSeconds: 3,
  idleConnections: 10_000,
  warmUpSeconds: 1,
  settleSeconds: 30,
  idleSeconds: 5,
} as const;
/** Under three minutes; figures to look at, not to quote. */
const QUICK = {
  rounds: 1,
  sliceSeconds: 1,
  idleConnections: 2_000,
  warmUpSeconds: 0,
  settleSeconds: 4,
  idleSeconds: 1,
} as const;
const RESULTS = path.join(import.meta.dirname, "results");

export function proxiesCommand(): Command {
  return new Command("proxies")
    .description("Hawser beside native proxies that encrypt the same traffic between the same two nodes, in turns.")
    .option("--quick", "nearly every load, once and for a second: under three minutes in all")
    .option("--rounds <count>", `rounds of each load (default: ${FULL.rounds}, quick ${QUICK.rounds})`, positiveInteger)
    .option(
      "--seconds <count>",
      `of a slice (default: ${FULL.sliceSeconds}, quick ${QUICK.sliceSeconds})`,
      positiveInteger,
    )
    .option("--loads <names>", `of ${LOAD_GROUPS.join(", ")}; or single ones such as calls-64`, loadList)
    .option("--variants <names>", `of ${VARIANT_NAMES.join(", ")}`, variantList)
    .option(
      "--idle-connections <count>",
      `of the load idle (default: ${FULL.idleConnections}, quick ${QUICK.idleConnections})`,
      positiveInteger,
    )
    .option("--workers <count>", "data workers of each agent; the peers have one", positiveInteger, 1)
    .option("--output <directory>", "for latest.json, and a table and a chart of each run", RESULTS)
    .option("--json", "one JSON document on standard output instead of the tables")
    .addHelpText(
      "after",
      `
Examples:
  npm run bench -- --quick
  npm run bench -- --loads calls-64,connect --rounds 3
  npm run bench -- --loads bulk --variants direct,hawser,haproxy --json

How it is measured, and what the figures cannot tell: bench/README.md`,
    )
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => interrupted.abort(new HawserError("interrupted", "Interrupted")));
  }
  const progress = new Progress(process.stderr);
  const settings = await settingsOf(flags);
  try {
    const result = await runBench(settings, progress, interrupted.signal);
    progress.end();
    const files = writeResults(result, flags.output);
    process.stdout.write(flags.json === true ? `${JSON.stringify(result)}\n` : renderTables(result));
    process.stderr.write(`${files.map((file) => path.relative(process.cwd(), file)).join("\n")}\n`);
  } finally {
    progress.end();
  }
}

async function settingsOf(flags: Flags): Promise<BenchSettings> {
  const base = flags.quick === true ? QUICK : FULL;
  const { variants, skipped } = chooseVariants(flags.variants ?? VARIANT_NAMES, isInstalled);
  const idleConnections = flags.idleConnections ?? base.idleConnections;
  return {
    loads: flags.loads ?? (flags.quick === true ? QUICK_LOADS : ALL_LOADS),
    variants,
    skipped,
    rounds: flags.rounds ?? base.rounds,
    sliceSeconds: flags.seconds ?? base.sliceSeconds,
    idleConnections: Math.min(idleConnections, await raiseFileLimit(idleConnections)),
    workers: flags.workers,
    warmUpSeconds: base.warmUpSeconds,
    settleSeconds: base.settleSeconds,
    idleSeconds: base.idleSeconds,
  };
}

function isInstalled(program: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((directory) => existsSync(path.join(directory, program)));
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number above 0.");
  return value;
}

function loadList(text: string): readonly Load[] {
  try {
    return chooseLoads(text.split(","));
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : String(error));
  }
}

function variantList(text: string): readonly VariantName[] {
  const names = text.split(",");
  const unknown = names.find((name) => !(VARIANT_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no variant ${unknown}.`);
  return VARIANT_NAMES.filter((name) => names.includes(name));
}
