/**
 * Runs another program as core/run-command.ts does, without a fork() of the agent (see posix-spawn.ts): applying rules must
 * not be felt by the data workers.
 */
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { HawserError } from "../../core/errors.ts";
import { type CommandOptions, DEFAULT_TIMEOUT_MS, type RunCommand } from "../../core/run-command.ts";
import { reap, startProgram, type StartedProgram } from "./posix-spawn.ts";

/** A program that closes its output is about to exit, mostly within microseconds: look soon, then less often. */
const FIRST_LOOK_MS = 1;
const MAX_LOOK_MS = 50;

export const spawnCommand: RunCommand = async (argv, options = {}) => {
  const [name] = argv;
  if (name === undefined) throw new HawserError("empty-command", "Cannot run an empty command");
  // C would cut them there.
  if (argv.some((word) => word.includes("\0"))) throw new HawserError("command-not-started", "A word contains NUL");
  const program = start(argv, name);
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    // Not reaped yet, so the number is still its own.
    process.kill(program.pid, "SIGKILL");
  }, timeoutMs);
  try {
    const [stdout, stderr] = await exchange(program, options);
    const exitCode = await exitCodeOf(program.pid);
    if (timedOut) throw new HawserError("command-timeout", `${argv.join(" ")} did not finish within ${timeoutMs} ms`);
    return { exitCode, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
};

function start(argv: readonly string[], name: string): StartedProgram {
  try {
    return startProgram(argv);
  } catch (cause) {
    throw new HawserError("command-not-started", `Cannot start ${name}, is it installed and on PATH`, { cause });
  }
}

/** Writes the input and reads both outputs to their ends. */
async function exchange(program: StartedProgram, { input = "" }: CommandOptions): Promise<readonly [string, string]> {
  const stdin = new Socket({ fd: program.stdin, readable: false, writable: true });
  // A program that exits without reading its input must be judged by its exit code, not by our EPIPE.
  stdin.on("error", () => {});
  stdin.end(input);
  const outputs = await Promise.all([readAll(program.stdout), readAll(program.stderr)]);
  stdin.destroy();
  return outputs;
}

function readAll(fd: number): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.on("close", () => resolve(Buffer.concat(chunks).toString()));
  });
}

async function exitCodeOf(pid: number): Promise<number> {
  for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(MAX_LOOK_MS, lookMs * 2)) {
    const exitCode = reap(pid);
    if (exitCode !== undefined) return exitCode;
    await sleep(lookMs);
  }
}
