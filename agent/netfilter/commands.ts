/** Runs the host's netfilter programs, with the one timeout, and turns a failure into an error that says what to check. */
import type { CommandResult, RunCommand } from "../../core/run-command.ts";
import { COMMAND_TIMEOUT_MS } from "./limits.ts";
import { NetfilterError } from "./netfilter-error.ts";

export class Commands {
  readonly #run: RunCommand;

  constructor(run: RunCommand) {
    this.#run = run;
  }

  /** Whatever the exit code. Rejects when the program is missing or hangs. */
  attempt(argv: readonly string[], input?: string): Promise<CommandResult> {
    return this.#run(argv, { timeoutMs: COMMAND_TIMEOUT_MS, ...(input === undefined ? {} : { input }) });
  }

  /** What it printed. Throws NetfilterError `command-failed` unless it exits with 0. */
  async output(argv: readonly string[], input?: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.attempt(argv, input);
    if (exitCode === 0) return stdout;
    const what = stderr.trim() === "" ? `exit code ${exitCode}` : stderr.trim();
    throw new NetfilterError("command-failed", `${argv.join(" ")} failed: ${what}`);
  }

  /** True when the program is there and succeeds. */
  async works(argv: readonly string[]): Promise<boolean> {
    try {
      return (await this.attempt(argv)).exitCode === 0;
    } catch {
      return false;
    }
  }
}
