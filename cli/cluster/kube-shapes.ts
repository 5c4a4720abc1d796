/** Objects of the API server, as far as this program reads them. */
import type { KubeObject } from "../../kubernetes/kube-client.ts";

export interface Condition {
  readonly type: string;
  readonly status: string;
}

export interface NodeObject extends KubeObject {
  readonly spec?: { readonly taints?: readonly { readonly key: string }[] };
  readonly status?: { readonly nodeInfo?: { readonly kernelVersion?: string } };
}

export interface PodObject extends KubeObject {
  readonly spec?: { readonly nodeName?: string; readonly containers?: readonly { readonly image?: string }[] };
  readonly status?: { readonly phase?: string; readonly conditions?: readonly Condition[] };
}

export interface WorkloadObject extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: { readonly spec?: { readonly containers?: readonly { readonly image?: string }[] } };
  };
  readonly status?: { readonly readyReplicas?: number };
}

export interface ConfigMapObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export interface LeaseObject extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly renewTime?: string;
    readonly leaseDurationSeconds?: number;
  };
}

export function isReady({ status }: PodObject): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true;
}

/** Of the first container of a DaemonSet or Deployment. */
export function imageOf(workload: WorkloadObject | undefined): string | undefined {
  return workload?.spec?.template?.spec?.containers?.[0]?.image;
}
