#!/usr/bin/env node
/**
 * The `hawser` command: starts cli/main.ts on the project's own Node, whatever Node runs this file.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const node = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));
const main = fileURLToPath(new URL("main.ts", import.meta.url));

if (!existsSync(node)) {
  console.error("Hawser's packages are not installed, run: npm run up");
  process.exit(1);
}
const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: "inherit" });
// A terminal sends Ctrl-C to both; the child decides what it means.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(signal === null ? code : 1));
