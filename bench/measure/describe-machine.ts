/** The machine and the versions that figures belong to. */
import { cpus, release, totalmem } from "node:os";
import { runCommand } from "../../core/run-command.ts";
import type { MachineDescription } from "../bench-result.ts";
import { PEERS } from "../peers/peers.ts";
import type { VariantName } from "../variants.ts";

/** The first number with a dot, which is what all of these programs print early. */
const VERSION = /\d+\.\d+[\w.]*/;
const LOAD_PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  wrk: ["wrk", "-v"],
  iperf3: ["iperf3", "--version"],
  mariadbd: ["mariadbd", "--version"],
};

export async function describeMachine(variants: readonly VariantName[]): Promise<MachineDescription> {
  const peers = PEERS.filter(({ name }) => variants.includes(name));
  const programs = { ...LOAD_PROGRAMS, ...Object.fromEntries(peers.map((peer) => [peer.program, peer.versionArgv])) };
  const versions = await Promise.all(
    Object.entries(programs).map(async ([name, argv]) => [name, await versionOf(argv)] as const),
  );
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    node: process.version,
    programs: Object.fromEntries(versions.filter(([, version]) => version !== "")),
  };
}

async function versionOf(argv: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await runCommand(argv);
    return versionIn(`${stdout}${stderr}`);
  } catch {
    return "";
  }
}

function versionIn(text: string): string {
  // Envoy's is between its commit and the state of its sources: <commit>/1.40.0/Clean/...
  return (/[0-9a-f]{40}\/(\d+\.\d+\.\d+)\//.exec(text) ?? VERSION.exec(text))?.at(-1) ?? "";
}
