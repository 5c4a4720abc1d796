/** The commands for clusters. */
import type { Command } from "commander";
import { addInstallCommand } from "./install-command.ts";

export function addClusterCommands(program: Command): void {
  addInstallCommand(program);
}
