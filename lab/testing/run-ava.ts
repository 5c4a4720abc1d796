/** Runs ava on some files, shows the results as they come, and counts them. */
import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { TapCounter } from "./tap-counter.ts";
import type { TapCounts } from "./tap-counter.ts";

export interface AvaRun {
  /** Files or patterns, relative to the project. */
  readonly files: readonly string[];
  /** Test files at the same time; undefined: as many as there are processors. */
  readonly concurrency?: number;
}

const PROJECT_ROOT = path.resolve(import.meta.dirname, "../..");
/** Each test file is a process of its own, and most load the same modules: their types are stripped once. */
const COMPILE_CACHE = path.join(PROJECT_ROOT, "node_modules/.cache/hawser-compile");
const AVA = path.join(PROJECT_ROOT, "node_modules/.bin/ava");

/** A run that ends badly without naming a failed test counts as one failure. */
export async function runAva({ files, concurrency }: AvaRun): Promise<TapCounts> {
  const parallel = concurrency === undefined ? [] : ["--concurrency", `${concurrency}`];
  const child = spawn(process.execPath, [AVA, "--tap", ...parallel, ...files], {
    cwd: PROJECT_ROOT,
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const counter = new TapCounter();
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const shown = counter.line(line);
    if (shown !== undefined) console.log(shown);
  });
  const code = await ended;
  const { counts } = counter;
  if (code === 0 || counts.failed > 0) return counts;
  console.log(`✘ ava ended with ${code} and no failed test`);
  return { ...counts, failed: 1 };
}
