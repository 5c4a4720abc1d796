/**
 * A run as one SVG picture: small multiples, one panel per question, one bar per variant with its figure at its end.
 * Hawser's bars have the only strong colour; better is said in each title.
 */
import { BarChart } from "echarts/charts";
import { GridComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { BenchResult, LoadResult } from "../bench-result.ts";
import type { MetricName } from "../metrics.ts";
import type { VariantName } from "../variants.ts";
import { formatFigure } from "./format-figure.ts";

interface Panel {
  readonly load: string;
  readonly metric: MetricName;
  readonly title: string;
  readonly unit: string;
  readonly better: "longer" | "shorter";
}

const PANELS: readonly Panel[] = [
  { load: "calls-64", metric: "callsPerSecond", title: "Small calls, 64 conns", unit: "calls/s", better: "longer" },
  { load: "calls-64", metric: "cpuUs", title: "Proxies' CPU per call", unit: "us", better: "shorter" },
  { load: "calls-64", metric: "p99Us", title: "p99, 64 conns", unit: "us", better: "shorter" },
  { load: "calls-1", metric: "addedP50Us", title: "Added p50, 1 conn", unit: "us", better: "shorter" },
  { load: "http-64", metric: "callsPerSecond", title: "HTTP routing, 64 conns", unit: "calls/s", better: "longer" },
  { load: "http-64", metric: "cpuUs", title: "CPU, HTTP routing", unit: "us", better: "shorter" },
  { load: "http-64", metric: "p99Us", title: "p99, HTTP routing", unit: "us", better: "shorter" },
  { load: "connect", metric: "connectionsPerSecond", title: "New connections", unit: "1/s", better: "longer" },
  { load: "bulk-1-down", metric: "mibPerSecond", title: "Bulk, 1 stream", unit: "MiB/s", better: "longer" },
  { load: "bulk-8-down", metric: "mibPerSecond", title: "Bulk, 8 streams", unit: "MiB/s", better: "longer" },
  { load: "mixed", metric: "p99Us", title: "p99 beside bulk", unit: "us", better: "shorter" },
  { load: "idle", metric: "kibPerConnection", title: "Memory per idle conn", unit: "KiB", better: "shorter" },
];

const COLUMNS = 3;
const PANEL = { width: 330, height: 190 } as const;
const MARGIN = { left: 112, right: 62, top: 50, bottom: 14 } as const;
const HEADER_HEIGHT = 64;
const FONT = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif";
const COLOURS: Readonly<Partial<Record<VariantName, string>>> = { hawser: "#d9480f", direct: "#dee2e6" };
const PEER_COLOUR = "#748ca3";
const TEXT_COLOUR = "#343a40";
const FAINT_COLOUR = "#868e96";

use([BarChart, GridComponent, TitleComponent, SVGRenderer]);

/** Undefined when the run has none of the figures that are drawn. */
export function renderChart(result: BenchResult): string | undefined {
  const panels = PANELS.flatMap((panel) => {
    const load = result.loads.find(({ id }) => id === panel.load);
    return load === undefined ? [] : [{ ...panel, bars: barsOf(load, panel.metric) }];
  }).filter(({ bars }) => bars.length > 0);
  if (panels.length === 0) return undefined;
  const rows = Math.ceil(panels.length / COLUMNS);
  const size = {
    width: PANEL.width * Math.min(COLUMNS, panels.length),
    height: HEADER_HEIGHT + rows * PANEL.height,
  };
  const chart = init(null, null, { renderer: "svg", ssr: true, ...size });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    textStyle: { fontFamily: FONT, color: TEXT_COLOUR },
    title: [header(result), ...panels.map(titleOf)],
    grid: panels.map((_, index) => ({
      left: place(index).x + MARGIN.left,
      top: place(index).y + MARGIN.top,
      width: PANEL.width - MARGIN.left - MARGIN.right,
      height: PANEL.height - MARGIN.top - MARGIN.bottom,
    })),
    xAxis: panels.map((_, gridIndex) => ({ gridIndex, type: "value", show: false, min: 0 })),
    yAxis: panels.map(({ bars }, gridIndex) => ({
      gridIndex,
      type: "category",
      inverse: true,
      data: bars.map(({ variant }) => variant),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: TEXT_COLOUR, fontSize: 12, interval: 0 },
    })),
    series: panels.map(({ bars }, index) => ({
      type: "bar",
      xAxisIndex: index,
      yAxisIndex: index,
      barWidth: 16,
      data: bars.map(({ variant, value }) => ({
        // Less than nothing added is noise around nothing.
        value: Math.max(0, value),
        itemStyle: { color: COLOURS[variant] ?? PEER_COLOUR },
        label: { formatter: formatFigure(value), fontWeight: variant === "hawser" ? "bold" : "normal" },
      })),
      label: { show: true, position: "right", color: TEXT_COLOUR, fontSize: 12 },
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

function barsOf(load: LoadResult, metric: MetricName) {
  return load.results.flatMap(({ variant, figures }) => {
    const figure = figures[metric];
    return figure === undefined ? [] : [{ variant, value: figure.median }];
  });
}

function place(index: number): { readonly x: number; readonly y: number } {
  return { x: (index % COLUMNS) * PANEL.width, y: HEADER_HEIGHT + Math.floor(index / COLUMNS) * PANEL.height };
}

function header({ machine, settings, startedAt }: BenchResult): object {
  const rounds = `median of ${settings.rounds} round${settings.rounds === 1 ? "" : "s"} of ${settings.sliceSeconds} s`;
  return {
    text: "Hawser beside native proxies: mutual TLS 1.3 between two nodes (direct: none)",
    subtext: `${startedAt.slice(0, 10)}   ${machine.cpu}, ${machine.cores} cores   Linux ${machine.kernel}   ${rounds}`,
    left: 16,
    top: 12,
    textStyle: { fontSize: 17, color: TEXT_COLOUR },
    subtextStyle: { fontSize: 12, color: FAINT_COLOUR },
  };
}

function titleOf({ title, unit, better }: Panel, index: number): object {
  const { x, y } = place(index);
  return {
    text: title,
    subtext: `${unit}, ${better} is better`,
    left: x + 16,
    top: y + 8,
    itemGap: 3,
    textStyle: { fontSize: 13, color: TEXT_COLOUR },
    subtextStyle: { fontSize: 11, color: FAINT_COLOUR },
  };
}
