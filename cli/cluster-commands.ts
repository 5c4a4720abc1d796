/** The commands for clusters. */
import type { Command } from "commander";
import { addCheckCommand } from "./check-command.ts";
import { addInstallCommand } from "./install-command.ts";
import { addStatusCommand } from "./status-command.ts";
import { addUninstallCommand } from "./uninstall-command.ts";

export function addClusterCommands(program: Command): void {
  addInstallCommand(program);
  addCheckCommand(program);
  addStatusCommand(program);
  addUninstallCommand(program);
}
