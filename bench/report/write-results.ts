/** Keeps a run: `latest.json`, and a Markdown page named after its time. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { BenchResult } from "../bench-result.ts";

/** The files that were written. */
export async function writeResults(result: BenchResult, directory: string): Promise<readonly string[]> {
  mkdirSync(directory, { recursive: true });
  const files: readonly (readonly [string, string])[] = [["latest.json", `${JSON.stringify(result, null, 2)}\n`]];
  return files.map(([name, text]) => {
    const file = path.join(directory, name);
    writeFileSync(file, text);
    return file;
  });
}
