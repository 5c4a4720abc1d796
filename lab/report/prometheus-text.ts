/** Reads the Prometheus text format (version 0.0.4), as much of it as counters and gauges need. */

export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/s;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/gs;

/** Samples whose name starts with `prefix`. Lines that are not samples are left out: the rest is still of use. */
export function parsePrometheusText(text: string, prefix: string): readonly MetricSample[] {
  const samples: MetricSample[] = [];
  for (const line of text.split("\n")) {
    if (!line.startsWith(prefix)) continue;
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, name = "", labels = "", value = ""] = match;
    samples.push({ name, labels: parseLabels(labels), value: parseValue(value) });
  }
  return samples;
}

function parseLabels(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Array.from(text.matchAll(LABEL), ([, name = "", value = ""]) => [name, unescapeLabel(value)]),
  );
}

function unescapeLabel(value: string): string {
  return value.replaceAll(/\\(.)/gs, (_, character: string) => (character === "n" ? "\n" : character));
}

function parseValue(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  return text === "-Inf" ? Number.NEGATIVE_INFINITY : Number(text);
}
