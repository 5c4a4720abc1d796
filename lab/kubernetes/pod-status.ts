/** What a kubelet says about a pod, as a patch of its status (pure). */
import type { LabPodState } from "../lab-status.ts";
import type { PodObject } from "./kube-objects.ts";

export interface PodStatusFacts {
  readonly object: PodObject;
  readonly ips: readonly string[];
  readonly hostIps: readonly string[];
  readonly state: LabPodState;
  readonly ready: boolean;
  /** Unix time since when `ready` is what it is: controllers count minReadySeconds from it. */
  readonly readySinceMs: number;
  /** Unix time; 0: not started. */
  readonly startedMs: number;
  readonly restarts: number;
  readonly running: boolean;
  readonly reason: string | undefined;
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

/** For `application/strategic-merge-patch+json`: conditions of others stay. */
export function podStatusPatch(facts: PodStatusFacts): object {
  const { object, ips, hostIps, state, ready, readySinceMs } = facts;
  const since = new Date(readySinceMs).toISOString();
  const condition = (type: string, status: boolean): object => ({
    type,
    status: status ? "True" : "False",
    lastTransitionTime: since,
  });
  return {
    metadata: { uid: object.metadata.uid },
    status: {
      phase: PHASES[state],
      hostIP: hostIps[0],
      hostIPs: hostIps.map((ip) => ({ ip })),
      podIP: ips[0],
      podIPs: ips.map((ip) => ({ ip })),
      ...(facts.startedMs === 0 ? {} : { startTime: new Date(facts.startedMs).toISOString() }),
      conditions: [
        condition("Initialized", true),
        condition("ContainersReady", ready),
        condition("Ready", ready && gatesOpen(object)),
      ],
      containerStatuses: [containerStatus(facts)],
    },
  };
}

/** A pod that cannot be started says why, as the kubelet does with an image that it cannot pull. */
export function cannotStartPatch(object: PodObject, reason: string, message: string): object {
  const [container] = object.spec.containers;
  const waiting = { reason, message };
  return {
    metadata: { uid: object.metadata.uid },
    status: {
      containerStatuses: [
        {
          name: container?.name,
          image: container?.image ?? "",
          imageID: "",
          ready: false,
          restartCount: 0,
          state: { waiting },
        },
      ],
    },
  };
}

function gatesOpen({ spec, status }: PodObject): boolean {
  return (spec.readinessGates ?? []).every(({ conditionType }) => {
    return status?.conditions?.some((one) => one.type === conditionType && one.status === "True") === true;
  });
}

function containerStatus(facts: PodStatusFacts): object {
  const [container] = facts.object.spec.containers;
  return {
    name: container?.name,
    image: container?.image ?? "",
    imageID: container?.image ?? "",
    containerID: `lab://${facts.object.metadata.uid}`,
    ready: facts.ready,
    started: facts.running,
    restartCount: facts.restarts,
    state: containerState(facts),
  };
}

function containerState({ state, running, startedMs, reason }: PodStatusFacts): object {
  if (running) return { running: { startedAt: new Date(startedMs).toISOString() } };
  if (state === "succeeded" || state === "failed" || state === "terminating") {
    const exitCode = state === "failed" ? 1 : 0;
    return { terminated: { exitCode, reason: exitCode === 0 ? "Completed" : "Error", message: reason ?? "" } };
  }
  if (startedMs > 0) return { waiting: { reason: "CrashLoopBackOff", message: reason ?? "" } };
  return { waiting: { reason: "ContainerCreating" } };
}
