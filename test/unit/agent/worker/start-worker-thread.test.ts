/** The heap of a data worker beside the flags that its process is started with. */
import path from "node:path";
import test from "ava";
import { workerResourceLimits } from "../../../../agent/worker/resource-limits.ts";
import { agentNodeFlags } from "../../../../build/node-flags.ts";
import { runCommand } from "../../../../core/run-command.ts";

const PROGRAM = path.resolve(import.meta.dirname, "../../../support/programs/young-generation.ts");
const MIB = 1024 * 1024;
/** V8 counts a third half besides the two that there are. */
const HALVES_COUNTED = 3;

test("a data worker's young generation is its own, whatever the process has for its main thread", async (t) => {
  const { stdout } = await runCommand([process.execPath, ...agentNodeFlags, PROGRAM]);
  const wanted = ((workerResourceLimits.maxYoungGenerationSizeMb ?? 0) / HALVES_COUNTED) * 2 * MIB;
  // V8 lets it shrink and grow by what survives: the flags' own would be a quarter, V8's default four times as much.
  const found = Number(stdout);
  t.true(found > wanted * 0.5 && found < wanted * 1.5, `${found} bytes, wanted about ${wanted}`);
});
