/**
 * Where the processors are while calls go from pod to pod, by samples of the whole machine (perf, cpu-clock): how much of it
 * netfilter, conntrack and our rules take at all bounds what the other experiments can win.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { runCommand } from "../core/run-command.ts";
import { countShares } from "./count-shares.ts";
import type { RunOptions } from "./run-experiment.ts";
import type { TestBench } from "./test-bench.ts";
import { CALLS_1, CALLS_64, CLOSING, runWrk } from "./wrk.ts";
import type { Load } from "./wrk.ts";

const SAMPLES_PER_SECOND = 999;
const SCRIPT_TIMEOUT_MS = 60_000;

export async function profile(bench: TestBench, { seconds, load: only }: RunOptions): Promise<void> {
  console.log(
    "\nprofile: share of the machine's busy samples; pod on node-1 calls a pod on node-2 through both agents",
  );
  for (const load of [CALLS_1, CALLS_64, CLOSING].filter(({ name }) => name.includes(only))) {
    console.log(`\n  ${load.name}`);
    for (const line of await profileLoad(bench, load, seconds)) console.log(`  ${line}`);
  }
}

async function profileLoad(bench: TestBench, load: Load, seconds: number): Promise<readonly string[]> {
  const directory = mkdtempSync(path.join(tmpdir(), "hawser-profile-"));
  const file = path.join(directory, "perf.data");
  try {
    const perf = ["perf", "record", "-q", "-a", "-g", "-e", "cpu-clock", "-F", `${SAMPLES_PER_SECOND}`, "-o", file];
    const [result] = await Promise.all([
      runWrk(bench, load, `${bench.address("far")}:8080`, seconds + 1, false),
      runCommand([...perf, "--", "sleep", `${seconds}`], { timeoutMs: SCRIPT_TIMEOUT_MS }),
    ]);
    const fields = ["-F", "comm,ip,sym"];
    const { stdout } = await runCommand(["perf", "script", "-i", file, ...fields], { timeoutMs: SCRIPT_TIMEOUT_MS });
    return [`${result.unitsPerSecond.toFixed(0)} per s`, ...countShares(stdout)];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
