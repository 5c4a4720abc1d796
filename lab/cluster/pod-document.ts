/** The Pod document as the API server would show it (pure): what was asked for, plus the kubelet's status. */
import type { LabPod, LabPodState } from "../lab-status.ts";

export interface PodFacts {
  readonly pod: LabPod;
  readonly ips: readonly string[];
  readonly state: LabPodState;
  readonly ready: boolean;
  /** RFC 3339, once deletion was asked for. */
  readonly deletionTimestamp: string | undefined;
}

const PHASES: Readonly<Record<LabPodState, string>> = {
  pending: "Pending",
  running: "Running",
  ready: "Running",
  terminating: "Running",
  succeeded: "Succeeded",
  failed: "Failed",
  skipped: "Failed",
};

/** The readiness probe is left out: it is the kubelet's business, and no reader of documents knows it. */
export function podDocument({ pod, ips, state, ready, deletionTimestamp }: PodFacts): object {
  const containers = pod.spec.containers.map(({ readinessProbe: _probe, ...container }) => ({
    ...container,
    name: container.name ?? "main",
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...pod.metadata, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) },
    spec: { ...pod.spec, containers },
    status: {
      phase: PHASES[state],
      podIP: ips[0],
      podIPs: ips.map((ip) => ({ ip })),
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}
