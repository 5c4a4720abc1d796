/** The programs that the image has in its PATH: each starts Node with a process's flags and its bundle. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { agentNodeFlags, controllerNodeFlags } from "./node-flags.ts";

interface Program {
  readonly name: string;
  /** From the directory above bin/. */
  readonly bundle: string;
  readonly nodeFlags: readonly string[];
}

const PROGRAMS: readonly Program[] = [
  { name: "hawser-agent", bundle: "agent/main.cjs", nodeFlags: agentNodeFlags },
  { name: "hawser-controller", bundle: "controller/main.cjs", nodeFlags: controllerNodeFlags },
  { name: "hawser", bundle: "cli/image-main.cjs", nodeFlags: [] },
];

export async function writePrograms(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const program of PROGRAMS) {
    await writeFile(path.join(directory, program.name), script(program), { mode: 0o755 });
  }
}

/** `exec`: signals reach Node, and there is no shell beside it. */
function script({ bundle, nodeFlags }: Program): string {
  const words = ["exec", "node", ...nodeFlags, `"$here/../${bundle}"`, '"$@"'];
  return `#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\n${words.join(" ")}\n`;
}
