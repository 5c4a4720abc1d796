/**
 * `npm run test:kubernetes`: the stories on a real API server, one file at a time. Without one (KUBEBUILDER_ASSETS) it says so
 * and is content. `npm run test:kubernetes -- FILES` runs only these.
 */
import { describeError } from "../../core/errors.ts";
import { ASSETS_VARIABLE, kubernetesAssets } from "../kubernetes/kubernetes-assets.ts";
import { runAva } from "./run-ava.ts";
import { formatCounts } from "./tap-counter.ts";

const ALL = ["e2e/kubernetes/**/*.test.ts", "test/kubernetes/**/*.test.ts"];

function missing(): string | undefined {
  try {
    kubernetesAssets(process.env[ASSETS_VARIABLE]);
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

async function run(files: readonly string[]): Promise<void> {
  const counts = await runAva({ files: files.length === 0 ? ALL : files, concurrency: 1 });
  console.log(formatCounts(counts));
  process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

const reason = missing();
if (reason === undefined) await run(process.argv.slice(2));
else console.log(`!!! Every story on a real API server is SKIPPED, which proves nothing. ${reason}`);
