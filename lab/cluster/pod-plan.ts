/**
 * How a pod is run: what the kubelet imitation makes of a pod's document before it starts anything. Documents of the lab
 * have a plan of their own (`documentPlan`); pods of an API server get theirs in lab/kubernetes.
 */
import type { LabPod } from "../lab-status.ts";
import { podCommand, podEnvironment } from "./pod-environment.ts";

export interface PodProgram {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface PodMount {
  /** On the machine: a file or a directory. */
  readonly source: string;
  /** Absolute, inside the pod; made when it is not there. */
  readonly path: string;
  readonly readOnly: boolean;
}

/** A program that must exit with 0 inside the pod, or a port that must accept; with `path`, answer a GET with 200 to 399. */
export type ProbeAction =
  | { readonly argv: readonly string[] }
  | {
      readonly port: number;
      /** Default: the pod's own address. */
      readonly host?: string;
      readonly path?: string;
    };

export interface PodProbe {
  readonly action: ProbeAction;
  readonly periodSeconds: number;
  /** That many failures in a row before a ready pod is no longer ready. */
  readonly failureThreshold: number;
}

export interface PodPlan {
  /** Once the pod has its addresses. */
  readonly program: (ips: readonly string[], statsFile: string) => PodProgram;
  readonly mounts: readonly PodMount[];
  /** Must succeed once before `readiness` is asked. */
  readonly startup?: PodProbe;
  /** Absent: ready when started. */
  readonly readiness?: PodProbe;
  /** Started again whenever it ends. */
  readonly restarts: boolean;
  /** Before SIGTERM, inside the pod; or just a wait. */
  readonly preStop?: { readonly argv: readonly string[] } | { readonly seconds: number };
  readonly graceSeconds: number;
}

/** Kubernetes' default is 30 s; programs here hold nothing worth waiting for. */
const DEFAULT_GRACE_SECONDS = 5;

export function documentPlan(pod: LabPod, projectRoot: string): PodPlan {
  const probe = pod.spec.containers[0]?.readinessProbe;
  return {
    program: (ips, statsFile) => {
      const environment = podEnvironment(pod, ips, projectRoot, statsFile);
      return { argv: podCommand(pod, environment), environment };
    },
    mounts: [],
    ...(probe === undefined
      ? {}
      : {
          readiness: {
            action: { port: probe.tcpSocket.port },
            periodSeconds: probe.periodSeconds ?? 1,
            failureThreshold: 1,
          },
        }),
    restarts: false,
    graceSeconds: pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS,
  };
}
