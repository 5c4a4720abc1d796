/** A run as a page of Markdown: the machine, the targets, a table per load. */
import type { Column } from "../../lab/view/text-table.ts";
import type { BenchResult } from "../bench-result.ts";
import { idleRows, loadRows, NOISY, targetRows, type Table } from "./result-tables.ts";

/** `chart`: file name of the picture beside the page. */
export function renderMarkdown(result: BenchResult, chart: string | undefined): string {
  const { machine, settings, startedAt, seconds, skipped } = result;
  const programs = Object.entries(machine.programs).map(([name, version]) => `${name} ${version}`);
  return [
    `# Hawser beside native proxies, ${startedAt.slice(0, 16).replace("T", " ")} UTC`,
    [
      `- ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB; Linux ${machine.kernel}; Node ${machine.node}`,
      `- ${programs.join(", ")}`,
      `- ${settings.rounds} rounds of ${settings.sliceSeconds} s, agents with ${settings.workers} data worker(s), ${seconds} s in all`,
      ...skipped.map((line) => `- ${line}`),
    ].join("\n"),
    `Medians; \`x\` is the ratio to the best native peer of the same round. \`${NOISY}\`: too noisy to say much.`,
    ...(chart === undefined ? [] : [`![The figures as bars](${chart})`]),
    ...(result.targets.length === 0 ? [] : ["## Targets", markdownTable(targetRows(result.targets))]),
    "## Idle, before any load",
    markdownTable(idleRows(result.variants)),
    ...result.loads.flatMap((load) => [`## ${load.title} (\`${load.id}\`)`, markdownTable(loadRows(load))]),
  ]
    .join("\n\n")
    .concat("\n");
}

function markdownTable({ columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = columns.map(({ align }: Column) => (align === "right" ? "---:" : "---"));
  return [columns.map(({ title }) => title), rule, ...rows].map(line).join("\n");
}
