/** The `hawser` command. Every subcommand group is a file of its own that adds itself to the program. */
import { Command } from "commander";
import { describeError } from "../core/errors.ts";
import { addLabCommands } from "./lab-commands.ts";

const program = new Command("hawser").description("A service mesh without sidecars.").enablePositionalOptions();
addLabCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  console.error(describeError(error));
  process.exitCode = 1;
}
