/** HTTP requests of all workers added up in prom-client, with a bound on the number of label sets. */
import { MAX_REQUEST_SERIES, OVERFLOW_LABEL } from "./limits.ts";
import type { AgentMetricSet, REQUEST_LABEL_NAMES } from "./metric-definitions.ts";
import type { RequestDelta, RequestLabels } from "./metrics-batch.ts";
import { requestKey } from "./request-counts.ts";

type PrometheusLabels = Record<(typeof REQUEST_LABEL_NAMES)[number], string>;

const OTHER: PrometheusLabels = {
  source_workload: OVERFLOW_LABEL,
  source_namespace: OVERFLOW_LABEL,
  destination_service: OVERFLOW_LABEL,
  route: OVERFLOW_LABEL,
  backend: OVERFLOW_LABEL,
};

export class RequestTotals {
  readonly #metrics: AgentMetricSet;
  readonly #series = new Map<string, PrometheusLabels>();

  constructor(metrics: AgentMetricSet) {
    this.#metrics = metrics;
  }

  add({ labels, counts, buckets, sumSeconds }: RequestDelta): void {
    const series = this.#seriesOf(labels);
    for (const [key, count] of Object.entries(counts)) {
      const [codeClass = "", reason = "", grpcStatus] = key.split(" ");
      this.#metrics.requests.inc({ ...series, code_class: codeClass, reason }, count);
      if (grpcStatus !== undefined) this.#metrics.grpcRequests.inc({ ...series, grpc_status: grpcStatus }, count);
    }
    this.#metrics.requestSeconds.add(series, buckets, sumSeconds);
  }

  #seriesOf(labels: RequestLabels): PrometheusLabels {
    const key = requestKey(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= MAX_REQUEST_SERIES) return OTHER;
    const created = {
      source_workload: labels.sourceWorkload,
      source_namespace: labels.sourceNamespace,
      destination_service: labels.destinationService,
      route: labels.route,
      backend: labels.backend,
    };
    this.#series.set(key, created);
    return created;
  }
}
