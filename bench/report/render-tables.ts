/** A run as text for a terminal: per load a table with the variants as rows, then the targets. */
import { textTable } from "../../lab/view/text-table.ts";
import type { BenchResult, LoadResult } from "../bench-result.ts";
import { idleRows, loadRows, NOISY, targetRows, type Table } from "./result-tables.ts";

export function renderTables(result: BenchResult): string {
  const sections = [
    renderHeader(result),
    renderTable(idleRows(result.variants)),
    ...result.loads.map(renderLoad),
    renderTable(targetRows(result.targets)),
    `${NOISY} the rounds lie far apart, or others took much of the machine.  x: ratio to the best native peer.`,
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function renderHeader({ machine, settings, seconds, skipped }: BenchResult): string {
  const programs = Object.entries(machine.programs).map(([name, version]) => `${name} ${version}`);
  const { rounds, sliceSeconds, workers } = settings;
  return [
    `hawser bench   ${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}`,
    programs.join(", "),
    `${rounds} round${rounds === 1 ? "" : "s"} of ${sliceSeconds} s, agents with ${workers} worker${workers === 1 ? "" : "s"}, ${seconds} s in all; medians`,
    ...skipped,
  ].join("\n");
}

function renderLoad(load: LoadResult): string {
  return `${load.id.toUpperCase()}  ${load.title}\n${renderTable(loadRows(load))}`;
}

function renderTable({ columns, rows }: Table): string {
  return rows.length === 0 ? "" : textTable(columns, rows).join("\n");
}
