/** The `hawser` command of a checkout: everything. Every group of commands is a file of its own that adds itself. */
import { addClusterCommands } from "./cluster-commands.ts";
import { addDocumentCommands } from "./document-commands.ts";
import { addLabCommands } from "./lab-commands.ts";
import { runProgram } from "./run-program.ts";

void runProgram(addClusterCommands, addDocumentCommands, addLabCommands);
