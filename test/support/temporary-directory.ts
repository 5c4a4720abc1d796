/** A directory of the test's own, gone at its end. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";

export async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "hawser-test-"));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}
