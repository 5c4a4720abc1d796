/** The figures that loads give: what each is called, its unit, and which way is better. */

export interface Metric {
  readonly title: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
}

export const METRICS = {
  callsPerSecond: { title: "calls/s", unit: "1/s", better: "higher" },
  connectionsPerSecond: { title: "connections/s", unit: "1/s", better: "higher" },
  mibPerSecond: { title: "MiB/s", unit: "MiB/s", better: "higher" },
  p50Us: { title: "p50 us", unit: "us", better: "lower" },
  p99Us: { title: "p99 us", unit: "us", better: "lower" },
  p999Us: { title: "p99.9 us", unit: "us", better: "lower" },
  addedP50Us: { title: "added p50 us", unit: "us", better: "lower" },
  greetingMs: { title: "first byte ms", unit: "ms", better: "lower" },
  cpuUs: { title: "cpu us", unit: "us", better: "lower" },
  clientCpuUs: { title: "client side", unit: "us", better: "lower" },
  serverCpuUs: { title: "server side", unit: "us", better: "lower" },
  kibPerConnection: { title: "KiB/conn", unit: "KiB", better: "lower" },
  clientKibPerConnection: { title: "client side", unit: "KiB", better: "lower" },
  serverKibPerConnection: { title: "server side", unit: "KiB", better: "lower" },
  kernelKibPerConnection: { title: "kernel KiB/conn", unit: "KiB", better: "lower" },
  connections: { title: "connections", unit: "", better: "higher" },
  seenByAgents: { title: "seen by agents", unit: "", better: "lower" },
  errors: { title: "errors", unit: "", better: "lower" },
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;
export type MetricValues = Readonly<Partial<Record<MetricName, number>>>;
