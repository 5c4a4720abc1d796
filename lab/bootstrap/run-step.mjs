/** Runs one step of the installation; its output is shown only when it fails. */
import { spawnSync } from "node:child_process";

/** Enough for the output of npm or apt; more would be cut, not lost track of. */
const OUTPUT_BYTES = 64 * 1024 * 1024;

export function runStep(title, [program, ...args], options = {}) {
  const terminal = process.stderr.isTTY === true;
  process.stderr.write(terminal ? `${title} ...` : `${title}\n`);
  const startedMs = Date.now();
  const result = spawnSync(program, args, { encoding: "utf8", maxBuffer: OUTPUT_BYTES, ...options });
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  if (result.status === 0) {
    process.stderr.write(terminal ? ` done (${seconds} s)\n` : `done (${seconds} s)\n`);
    return;
  }
  const words = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
  throw new Error(`\nFailed: ${[program, ...args].join(" ")}\n${words}`);
}
