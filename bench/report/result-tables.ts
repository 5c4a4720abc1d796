/** The tables of a run, as cells: for the terminal and for Markdown. */
import type { Column } from "../../lab/view/text-table.ts";
import type { Figure, LoadResult, TargetResult, VariantDescription } from "../bench-result.ts";
import { METRICS, type MetricName } from "../metrics.ts";
import { formatFigure } from "./format-figure.ts";

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

/** Behind a figure that says little. */
export const NOISY = "~";
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

export function loadRows(load: LoadResult): Table {
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

export function targetRows(targets: readonly TargetResult[]): Table {
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

export function idleRows(variants: readonly VariantDescription[]): Table {
  const right = ["client MB", "server MB", "client cpu %", "server cpu %"];
  const columns: Column[] = [
    { title: "idle, before any load", align: "left" },
    ...right.map((title): Column => ({ title, align: "right" })),
  ];
  const rows = variants.flatMap(({ name, idle }) => {
    if (idle === undefined) return [];
    const { client, server } = idle;
    const figures = [client.residentMb, server.residentMb, client.cpuPercent, server.cpuPercent];
    return [[name, ...figures.map(formatFigure)]];
  });
  return { columns, rows };
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
