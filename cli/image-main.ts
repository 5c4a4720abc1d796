/** The `hawser` command of the image: what is for clusters. There is no lab in it. */
import { addClusterCommands } from "./cluster-commands.ts";
import { runProgram } from "./run-program.ts";

void runProgram(addClusterCommands);
