/**
 * Measures what eBPF would change on this kernel: our own small programs (programs/*.bpf.c) against the product's byte path,
 * in one lab, in turns. Needs root, clang, cc, libbpf-dev, bpftool, wrk, nginx, nft; `profile` needs perf.
 *
 *   node bpf-notes/run.ts [sockmap|sk-lookup|steer|connect|peer|profile]... [--rounds 5] [--seconds 3] [--load c=64] [--verbose]
 *
 * Programs are attached to namespaces of the lab and to a cgroup of this run alone, by links that die with the process which
 * holds them; what is left on the host is looked for at the end and printed.
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { describeError } from "../core/errors.ts";
import { buildPrograms } from "./build-programs.ts";
import type { Experiment } from "./experiment.ts";
import { ExperimentCgroup } from "./experiment-cgroup.ts";
import { connect } from "./experiments/connect.ts";
import { peer } from "./experiments/peer.ts";
import { skLookup } from "./experiments/sk-lookup.ts";
import { sockmap } from "./experiments/sockmap.ts";
import { steer } from "./experiments/steer.ts";
import { hostTraces } from "./host-traces.ts";
import { profile } from "./profile.ts";
import { runExperiment } from "./run-experiment.ts";
import { TestBench } from "./test-bench.ts";

const EXPERIMENTS: readonly Experiment[] = [sockmap, skLookup, steer, connect, peer];
const PROFILE = "profile";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    load: { type: "string", default: "" },
    verbose: { type: "boolean", default: false },
  },
});
const options = { rounds: Number(values.rounds), seconds: Number(values.seconds), load: values.load };
const wanted = positionals.length === 0 ? [PROFILE, ...EXPERIMENTS.map(({ name }) => name)] : positionals;
let interruption: string | undefined;

try {
  await runAll();
} catch (error) {
  console.error(interruption ?? describeError(error));
  process.exitCode = 1;
}
await reportTraces();

async function runAll(): Promise<void> {
  const unknown = wanted.filter((name) => name !== PROFILE && !EXPERIMENTS.some((one) => one.name === name));
  if (unknown.length > 0) throw new Error(`Unknown experiment: ${unknown.join(", ")}`);
  await buildPrograms();
  using cgroup = ExperimentCgroup.enter();
  const note = (line: string): void => (values.verbose ? console.log(`    ${line}`) : undefined);
  await using bench = await TestBench.start(cgroup, path.join(import.meta.dirname, "cluster.yaml"), note);
  // A killed lab makes whatever runs in it fail: the experiment then ends as after any error, and cleans up.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      interruption = signal;
      void bench[Symbol.asyncDispose]();
    });
  }
  await widenPorts(bench);
  if (wanted.includes(PROFILE)) await profile(bench, options);
  for (const experiment of EXPERIMENTS.filter(({ name }) => wanted.includes(name))) {
    await runExperiment(bench, experiment, options);
  }
}

/** The client opens more connections within a minute than it has ports by default, and would wait for them in turns. */
async function widenPorts(bench: TestBench): Promise<void> {
  const settings = ["net.ipv4.ip_local_port_range=10000 65535", "net.ipv4.tcp_tw_reuse=1"];
  await bench.onNode("client", ["sysctl", "-q", "-w", ...settings]);
}

/** The kernel frees programs and maps a moment after their last user has gone. */
async function reportTraces(): Promise<void> {
  let left = await hostTraces();
  for (let attempt = 0; attempt < 20 && left.length > 0; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    left = await hostTraces();
  }
  console.log(left.length === 0 ? "\nNothing is left on the host." : `\nLEFT ON THE HOST:\n${left.join("\n")}`);
  if (left.length > 0) process.exitCode = 1;
}
