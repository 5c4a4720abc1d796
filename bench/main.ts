/** `npm run bench`: a table of subcommands. `proxies` runs when none is named. */
import path from "node:path";
import { Command } from "commander";
import { describeError } from "../core/errors.ts";
import { proxiesCommand } from "./proxies-command.ts";

/** Programs of their own; what follows their name is theirs. */
const PROGRAMS: readonly { readonly name: string; readonly file: string; readonly description: string }[] = [
  {
    name: "control",
    file: "control/main.ts",
    description: "the control plane: 1,000 agents, 10,000 pods, changes and reconnects",
  },
  {
    name: "soak",
    file: "soak/main.ts",
    description: "HTTP/1.1, HTTP/2 and gRPC at full speed for minutes: nothing may leak, memory must be flat",
  },
  { name: "h1", file: "h1.ts", description: "HTTP/1.1: the codec, and a request beside the same bytes: [rounds]" },
  { name: "routes", file: "routes.ts", description: "a decision about an HTTP request, by number and kind of rules" },
  {
    name: "balance",
    file: "balance.ts",
    description: "the choice of an endpoint, by algorithm and number of endpoints",
  },
  { name: "engines", file: "engines.ts", description: "our two tunnel engines against each other: [rounds]" },
];

const proxies = proxiesCommand();
const program = new Command("bench")
  .description("Measures Hawser on this machine, inside namespaces of its own. Nothing on the host changes.")
  .addCommand(proxies, { isDefault: true })
  .addHelpText("after", () => `\n${proxies.helpInformation()}`);
for (const { name, file, description } of PROGRAMS) {
  program.command(name, description, { executableFile: path.join(import.meta.dirname, file) });
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(describeError(error));
  process.exitCode = 1;
}
