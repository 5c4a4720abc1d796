/** A run as text for a terminal: per load a table with the variants as rows, then the targets. */
import { type Column, textTable } from "../../lab/view/text-table.ts";
import type { BenchResult, Figure, LoadResult, TargetResult, VariantDescription } from "../bench-result.ts";
import { METRICS, type MetricName } from "../metrics.ts";
import { formatFigure } from "./format-figure.ts";

/** Behind a figure that says little. */
const NOISY = "~";
/** Ratios are told for the figures that decide; for the rest they are in the JSON. */
const RATIOS_FOR: readonly MetricName[] = [
  "callsPerSecond",
  "connectionsPerSecond",
  "mibPerSecond",
  "p99Us",
  "addedP50Us",
  "cpuUs",
  "kibPerConnection",
  "greetingMs",
];

export function renderTables(result: BenchResult): string {
  const sections = [
    renderHeader(result),
    renderIdle(result.variants),
    ...result.loads.map(renderLoad),
    renderTargets(result.targets),
    `${NOISY} the rounds lie far apart, or others took much of the machine.  x: ratio to the best native peer.`,
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

/** Rows of one load: shared with the Markdown tables. */
export function loadRows(load: LoadResult): { readonly columns: readonly Column[]; readonly rows: string[][] } {
  const metrics = load.metrics.filter((metric) => load.results.some(({ figures }) => figures[metric] !== undefined));
  const withRatio = (metric: MetricName): boolean =>
    RATIOS_FOR.includes(metric) && load.results.some(({ figures }) => figures[metric]?.toBestPeer !== undefined);
  const columns: Column[] = [
    { title: "", align: "left" },
    ...metrics.flatMap((metric): Column[] => [
      { title: titleOf(metric, load.unit), align: "right" },
      ...(withRatio(metric) ? [{ title: "x", align: "right" } as const] : []),
    ]),
  ];
  const rows = load.results.map(({ variant, figures }) => [
    variant,
    ...metrics.flatMap((metric) => {
      const figure = figures[metric];
      return [figureText(figure), ...(withRatio(metric) ? [ratioText(figure?.toBestPeer)] : [])];
    }),
  ]);
  return { columns, rows };
}

export function targetRows(targets: readonly TargetResult[]): {
  readonly columns: readonly Column[];
  readonly rows: string[][];
} {
  const columns: Column[] = [
    { title: "target", align: "left" },
    { title: "wanted", align: "right" },
    { title: "reached", align: "right" },
    { title: "", align: "left" },
  ];
  const rows = targets.map(({ title, wanted, reached, met, noisy }) => [
    title,
    wanted,
    `${formatFigure(reached)}${noisy ? NOISY : ""}`,
    met ? "yes" : "no",
  ]);
  return { columns, rows };
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

function renderIdle(variants: readonly VariantDescription[]): string {
  const columns: Column[] = [
    { title: "IDLE, BEFORE ANY LOAD", align: "left" },
    { title: "client MB", align: "right" },
    { title: "server MB", align: "right" },
    { title: "client cpu %", align: "right" },
    { title: "server cpu %", align: "right" },
  ];
  const rows = variants.flatMap(({ name, idle }) => {
    if (idle === undefined) return [];
    const { client, server } = idle;
    const figures = [client.residentMb, server.residentMb, client.cpuPercent, server.cpuPercent];
    return [[name, ...figures.map(formatFigure)]];
  });
  return rows.length === 0 ? "" : textTable(columns, rows).join("\n");
}

function renderLoad(load: LoadResult): string {
  const { columns, rows } = loadRows(load);
  return [`${load.id.toUpperCase()}  ${load.title}`, ...textTable(columns, rows)].join("\n");
}

function renderTargets(targets: readonly TargetResult[]): string {
  if (targets.length === 0) return "";
  const { columns, rows } = targetRows(targets);
  return textTable(columns, rows).join("\n");
}

function titleOf(metric: MetricName, unit: string | undefined): string {
  const { title } = METRICS[metric];
  return metric === "cpuUs" && unit !== undefined ? `${title}/${unit}` : title;
}

function figureText(figure: Figure | undefined): string {
  return figure === undefined ? "-" : `${formatFigure(figure.median)}${figure.noisy ? NOISY : ""}`;
}

function ratioText(ratio: number | undefined): string {
  return ratio === undefined ? "" : ratio.toFixed(2);
}
