/** The commands that read documents from files and need no cluster: for CI, and for trying a change before it is made. */
import type { Command } from "commander";
import { addExplainCommand } from "./explain-command.ts";
import { addSchemaCommand } from "./schema-command.ts";
import { addValidateCommand } from "./validate-command.ts";

export function addDocumentCommands(program: Command): void {
  addValidateCommand(program);
  addExplainCommand(program);
  addSchemaCommand(program);
}
