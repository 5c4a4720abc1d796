/** Compiles the C programs of this directory into `.build/`, which git does not keep. Needs clang, cc and libbpf-dev. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { HawserError } from "../core/errors.ts";
import { runCommand } from "../core/run-command.ts";

const HERE = import.meta.dirname;
const BUILD = path.join(HERE, ".build");
const COMPILE_TIMEOUT_MS = 60_000;

const PROGRAMS = ["accelerate", "choose-listener", "connect-service", "steer", "to-peer", "xdp-to-peer"] as const;
export type ProgramName = (typeof PROGRAMS)[number];

export const LOADER = path.join(BUILD, "attach");
export const OFFLOADS = path.join(BUILD, "offloads");
export const READER = path.join(BUILD, "reader");

export function objectFile(program: ProgramName): string {
  return path.join(BUILD, `${program}.o`);
}

export async function buildPrograms(): Promise<void> {
  mkdirSync(BUILD, { recursive: true });
  // BTF (-g) carries the maps' types; the target has no headers of its own, so the host's are named.
  const target = ["clang", "-g", "-O2", "-Wall", "-Werror", "-target", "bpf", `-I/usr/include/${hostTriple()}`];
  for (const name of PROGRAMS) {
    await compile([...target, "-c", path.join(HERE, "programs", `${name}.bpf.c`), "-o", objectFile(name)]);
  }
  const native = ["cc", "-O2", "-Wall", "-Wextra"];
  await compile([...native, path.join(HERE, "loader/attach.c"), "-o", LOADER, "-lbpf"]);
  await compile([...native, path.join(HERE, "loader/offloads.c"), "-o", OFFLOADS]);
  // It runs in a pod whose mounts are the host's, but it should not depend on that.
  await compile([...native, "-Wno-unused-result", "-static", path.join(HERE, "pods/reader.c"), "-o", READER]);
}

async function compile(argv: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runCommand(argv, { timeoutMs: COMPILE_TIMEOUT_MS });
  if (exitCode !== 0) throw new HawserError("not-compiled", `${argv.join(" ")}\n${stderr}`);
}

/** Debian's directory of headers that differ by architecture. */
function hostTriple(): string {
  return process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
}
