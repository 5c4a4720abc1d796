/**
 * Runs another program with an argv array (never through a shell) and collects what it printed.
 *
 * A parameter wherever a command is run, so that unit tests can pass a fake that fails as the real program does.
 */
import { spawn } from "node:child_process";
import { HawserError } from "./errors.ts";

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Written to the program's standard input, which is then closed. */
  readonly input?: string;
  /** The program is killed and the call fails after this long. Default 10 s: no netfilter command should take longer. */
  readonly timeoutMs?: number;
}

/** Resolves with the exit code whatever it is; rejects only when the program cannot be started or times out. */
export type RunCommand = (argv: readonly string[], options?: CommandOptions) => Promise<CommandResult>;

export const DEFAULT_TIMEOUT_MS = 10_000;

export const runCommand: RunCommand = (argv, options = {}) =>
  new Promise((resolve, reject) => {
    const [program, ...args] = argv;
    if (program === undefined) throw new HawserError("empty-command", "Cannot run an empty command");
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let timedOut = false;
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    // A program that exits without reading its input must be judged by its exit code, not by our EPIPE.
    child.stdin.on("error", () => {});
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new HawserError("command-not-started", `Cannot start ${program}, is it installed and on PATH`, { cause }));
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (timedOut) {
        reject(new HawserError("command-timeout", `${argv.join(" ")} did not finish within ${timeoutMs} ms`));
        return;
      }
      resolve({
        exitCode: code ?? 128 + (signal === null ? 0 : 1),
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
    child.stdin.end(options.input ?? "");
  });
