/**
 * The bench of the control plane: starts it in namespaces of its own, so that loopback carries nothing else, ports are
 * free, ipsets are nobody else's, and nothing is left when it ends.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { HawserError } from "../../core/errors.ts";
import { namespaceSupport, unshareCommand } from "../../lab/launcher/namespace-support.ts";
import { MAX_PODS_PER_NODE } from "./cluster-files.ts";
import type { ControlBenchOptions, ControlBenchReport } from "./control-report.ts";

export async function runControlBench(options: ControlBenchOptions): Promise<ControlBenchReport> {
  checkOptions(options);
  const support = await namespaceSupport();
  if (!support.supported) throw new HawserError("no-namespaces", `Cannot make namespaces here: ${support.reason}`);
  const bed = [process.execPath, join(import.meta.dirname, "bed-main.ts"), JSON.stringify(options)];
  // As for a lab: unshare dies with us, and everything in its pid namespace with it.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...unshareCommand(support.userNamespace), ...bed], {
    stdio: ["ignore", "pipe", "inherit"],
    // An ordinary user's PATH lacks where ip and ipset are.
    env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin` },
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "close") as Promise<[number | null]>]);
  if (code !== 0) throw new HawserError("bench-failed", `The bench ended with ${code}, its reason is above`);
  return JSON.parse(output) as ControlBenchReport;
}

function checkOptions({ agents, pods }: ControlBenchOptions): void {
  if (pods <= agents * MAX_PODS_PER_NODE) return;
  const most = agents * MAX_PODS_PER_NODE;
  throw new HawserError("too-many-pods", `Cannot place ${pods} pods, ${agents} nodes take at most ${most}`);
}
