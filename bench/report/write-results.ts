/** Keeps a run: `latest.json`, and a page and a picture named after its time. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { BenchResult } from "../bench-result.ts";
import { renderChart } from "./render-chart.ts";
import { renderMarkdown } from "./render-markdown.ts";

/** The files that were written. */
export function writeResults(result: BenchResult, directory: string): readonly string[] {
  mkdirSync(directory, { recursive: true });
  const name = result.startedAt.slice(0, 19).replaceAll(":", "").replace("T", "-");
  const chart = renderChart(result);
  const files: readonly (readonly [string, string])[] = [
    ["latest.json", `${JSON.stringify(result, null, 2)}\n`],
    [`${name}.md`, renderMarkdown(result, chart === undefined ? undefined : `${name}.svg`)],
    ...(chart === undefined ? [] : ([[`${name}.svg`, chart]] as const)),
  ];
  return files.map(([file, text]) => {
    writeFileSync(path.join(directory, file), text);
    return path.join(directory, file);
  });
}
