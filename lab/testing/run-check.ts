/** `npm run check`: everything that can be said about the code without namespaces. All steps run, whatever fails. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { runAva } from "./run-ava.ts";
import { formatCounts } from "./tap-counter.ts";

interface Step {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
}

const PROJECT_ROOT = path.resolve(import.meta.dirname, "../..");

const STEPS: readonly Step[] = [
  { name: "format", argv: ["biome", "format", "."] },
  { name: "lint", argv: ["oxlint", "--type-aware"] },
  { name: "types", argv: ["tsc", "--noEmit", "-p", "."] },
  { name: "dead exports", argv: ["knip"] },
];

function runStep({ name, argv: [program, ...args] }: Step): boolean {
  const file = path.join(PROJECT_ROOT, "node_modules/.bin", program);
  const result = spawnSync(file, args, { cwd: PROJECT_ROOT, encoding: "utf8" });
  if (result.status !== 0) console.log(`${result.stdout}${result.stderr}`);
  console.log(`${result.status === 0 ? "✔" : "✘"} ${name}`);
  return result.status === 0;
}

const results = STEPS.map(runStep);
const counts = await runAva({ files: ["test/**/*.test.ts"] });
console.log(formatCounts(counts));
process.exitCode = results.every(Boolean) && counts.failed === 0 ? 0 : 1;
