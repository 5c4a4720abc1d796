/**
 * `npm test`: unit and loopback tests, then the stories: two files at a time, and those that measure one at a time, for two
 * cores are few. Those on a real API server are `npm run test:kubernetes`.
 * `npm test -- FILES` runs only these. The last line is `N passed, N failed` (`, N skipped` when there are any).
 */
import { namespaceSupport } from "../launcher/namespace-support.ts";
import { runAva } from "./run-ava.ts";
import type { AvaRun } from "./run-ava.ts";
import { addCounts, formatCounts } from "./tap-counter.ts";
import type { TapCounts } from "./tap-counter.ts";

/** Stories that look at times, rates or losses, which another lab beside them would change. */
const MEASURING = [
  "agent-lifecycle",
  "balancing",
  "bench",
  "bridged-agent-lifecycle",
  "bulk",
  "controller-lifecycle",
  "endpoint-choice",
  "protection",
  "protocol-detection",
  "quota",
  "resilience",
  "soak",
].map((name) => `e2e/${name}.test.ts`);

const ALL: readonly AvaRun[] = [
  { files: ["test/**/*.test.ts", "!test/kubernetes/**"] },
  { files: ["e2e/*.test.ts", ...MEASURING.map((file) => `!${file}`)], concurrency: 2 },
  { files: MEASURING, concurrency: 1 },
];

function runsFor(files: readonly string[]): readonly AvaRun[] {
  return files.length === 0 ? ALL : [{ files, concurrency: 1 }];
}

async function warnWithoutNamespaces(): Promise<void> {
  const support = await namespaceSupport();
  if (support.supported) return;
  console.log("!!! No namespaces can be made here: every story that needs them is SKIPPED, which proves nothing.");
  console.log(`!!! Reason: ${support.reason}`);
}

await warnWithoutNamespaces();
let total: TapCounts = { passed: 0, failed: 0, skipped: 0 };
for (const run of runsFor(process.argv.slice(2))) total = addCounts(total, await runAva(run));
await warnWithoutNamespaces();
console.log(formatCounts(total));
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
