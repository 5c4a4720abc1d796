/**
 * A histogram whose observations were made in other threads: it takes bucket counts, not observations, which
 * prom-client's own histogram cannot. Registered like any other metric; exported cumulatively, as the text format asks.
 */
import type { Metric, Registry } from "prom-client";

export interface MergedHistogramOptions {
  readonly name: string;
  readonly help: string;
  /** Ascending; one more bucket for everything above is implied. */
  readonly upperBounds: readonly number[];
  readonly registry: Registry;
}

type Labels = Readonly<Record<string, string>>;

interface Series {
  readonly labels: Labels;
  readonly buckets: number[];
  sum: number;
}

interface ExportedValue {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

export class MergedHistogram {
  readonly name: string;
  readonly help: string;
  readonly type = "histogram";
  readonly aggregator = "sum";
  readonly #upperBounds: readonly number[];
  /** Whoever adds has a bound on the label sets. */
  readonly #series = new Map<string, Series>();

  constructor(options: MergedHistogramOptions) {
    this.name = options.name;
    this.help = options.help;
    this.#upperBounds = options.upperBounds;
    // A registry calls nothing but `get`; its type names the concrete classes only.
    options.registry.registerMetric(this as unknown as Metric);
  }

  /** `buckets`: observations per bound, not cumulative. */
  add(labels: Labels, buckets: readonly number[], sum: number): void {
    const key = Object.values(labels).join("|");
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labels, buckets: Array.from({ length: this.#upperBounds.length + 1 }, () => 0), sum: 0 };
      this.#series.set(key, series);
    }
    series.sum += sum;
    for (const [index, count] of buckets.entries()) series.buckets[index] = (series.buckets[index] ?? 0) + count;
  }

  /** What the registry asks for at every scrape. */
  async get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: ExportedValue[] }> {
    const values = [...this.#series.values()].flatMap((series) => this.#exportSeries(series));
    return { name: this.name, help: this.help, type: this.type, aggregator: this.aggregator, values };
  }

  #exportSeries({ labels, buckets, sum }: Series): ExportedValue[] {
    let cumulative = 0;
    const values: ExportedValue[] = buckets.map((count, index) => {
      cumulative += count;
      const le = this.#upperBounds[index] ?? "+Inf";
      return { metricName: `${this.name}_bucket`, labels: { ...labels, le }, value: cumulative };
    });
    values.push({ metricName: `${this.name}_sum`, labels, value: sum });
    values.push({ metricName: `${this.name}_count`, labels, value: cumulative });
    return values;
  }
}
