/** Identity of a label set of connections, and the label set that stands for all that did not fit a limit. */
import { OVERFLOW_LABEL } from "./limits.ts";
import type { ConnectionLabels } from "./metrics-batch.ts";

/** One text per label set. Kubernetes names cannot contain the separator. */
export function seriesKey(labels: ConnectionLabels): string {
  return [
    labels.direction,
    labels.path,
    labels.sourceNamespace,
    labels.sourceWorkload,
    labels.destinationNamespace,
    labels.destinationWorkload,
    labels.destinationService,
  ].join("|");
}

/** There are as many of these as directions times paths, so they are let in above any limit. */
export function overflowOf(labels: ConnectionLabels): ConnectionLabels {
  return {
    direction: labels.direction,
    path: labels.path,
    sourceWorkload: OVERFLOW_LABEL,
    sourceNamespace: OVERFLOW_LABEL,
    destinationService: OVERFLOW_LABEL,
    destinationWorkload: OVERFLOW_LABEL,
    destinationNamespace: OVERFLOW_LABEL,
  };
}
