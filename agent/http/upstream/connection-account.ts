/** What one connection to an endpoint leaves in the metrics, whichever version of HTTP it carries. */
import type { CloseReason } from "../../relay/relay.ts";
import type { ConnectionLabels } from "../../telemetry/metrics-batch.ts";
import type { ConnectionCounters } from "../../telemetry/worker-metrics.ts";
import type { UpstreamPlane } from "../http-plane.ts";
import type { UpstreamTarget } from "./dial-upstream.ts";

export class ConnectionAccount {
  readonly #plane: UpstreamPlane;
  readonly #target: UpstreamTarget;
  readonly #startedMs: number;
  #counters: ConnectionCounters | undefined;

  constructor(plane: UpstreamPlane, target: UpstreamTarget) {
    this.#plane = plane;
    this.#target = target;
    this.#startedMs = plane.clock.monotonicMs();
  }

  /** The endpoint has accepted. The running totals of what the connection carries. */
  opened(): ConnectionCounters {
    const { metrics, clock } = this.#plane;
    const labels = labelsOf(this.#target);
    metrics.dial("ok");
    metrics.connectDuration(labels, clock.monotonicMs() - this.#startedMs);
    this.#counters = metrics.connectionOpened(labels);
    return this.#counters;
  }

  /** Once, also when it never opened. */
  closed(reason: CloseReason): void {
    const { metrics } = this.#plane;
    if (this.#counters !== undefined) metrics.connectionClosed(this.#counters, reason);
    else if (reason === "connect-failed") metrics.dial("failed");
    // Else the client left before there was a verdict, or the far agent has refused.
    else if (reason === "reset-by-peer") metrics.dial("refused");
  }
}

function labelsOf({ candidate, source, service }: UpstreamTarget): ConnectionLabels {
  return {
    direction: "outbound",
    sourceWorkload: source.workload.workload,
    sourceNamespace: source.workload.namespace,
    destinationService: service.key,
    destinationWorkload: candidate.workload?.workload ?? "",
    destinationNamespace: candidate.workload?.namespace ?? "",
    path: candidate.transport,
  };
}
