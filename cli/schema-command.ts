/** `hawser schema`: what documents may say, for editors as a JSON Schema, for people as a page of the documentation. */
import type { Command } from "commander";
import { documentJsonSchema } from "../protocol/documents/json-schema.ts";
import { policyPage } from "./policy-page.ts";

interface SchemaFlags {
  readonly page?: boolean;
}

export function addSchemaCommand(program: Command): void {
  program
    .command("schema")
    .description("Print the JSON Schema of all documents, for editors.")
    .option("--page", "the reference page of TrafficPolicy, RequestMatch and Subset instead")
    .action(({ page = false }: SchemaFlags) => {
      if (page) process.stdout.write(policyPage());
      else console.log(JSON.stringify(documentJsonSchema(), null, 2));
    });
}
