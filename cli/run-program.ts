/** Makes the `hawser` program of groups of commands, and runs it: an error becomes one line and exit code 1. */
import { Command } from "commander";
import { describeError } from "../core/errors.ts";
import { packageVersion } from "../core/version.ts";

export async function runProgram(...groups: readonly ((program: Command) => void)[]): Promise<void> {
  const program = new Command("hawser")
    .description("A service mesh without sidecars.")
    .version(packageVersion)
    .enablePositionalOptions();
  for (const add of groups) add(program);
  try {
    await program.parseAsync();
  } catch (error) {
    console.error(describeError(error));
    process.exitCode = 1;
  }
}
