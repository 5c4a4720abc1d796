/**
 * The programs of a Kubernetes control plane on this machine, by envtest's convention: `KUBEBUILDER_ASSETS` names a folder
 * with kube-apiserver, etcd and kubectl. kube-controller-manager and kube-scheduler are used when they are there too.
 */
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { HawserError } from "../../core/errors.ts";

export interface KubernetesAssets {
  readonly kubeApiserver: string;
  readonly etcd: string;
  readonly kubectl: string;
  /** Undefined: the lab plays its part. */
  readonly kubeControllerManager: string | undefined;
  readonly kubeScheduler: string | undefined;
}

export const ASSETS_VARIABLE = "KUBEBUILDER_ASSETS";

/** `directory`: the variable's value. Throws `no-assets` when it is not set, or a program that must be there is not. */
export function kubernetesAssets(directory: string | undefined): KubernetesAssets {
  const where = directory ?? "";
  if (where === "") {
    throw new HawserError(
      "no-assets",
      `A real API server is not installed: set ${ASSETS_VARIABLE} to a folder with kube-apiserver, etcd and kubectl`,
    );
  }
  const find = (name: string): string | undefined => {
    const file = path.resolve(where, name);
    return isExecutable(file) ? file : undefined;
  };
  const required = (name: string): string => {
    const file = find(name);
    if (file !== undefined) return file;
    throw new HawserError("no-assets", `${ASSETS_VARIABLE} is ${where}, and there is no program ${name} in it`);
  };
  return {
    kubeApiserver: required("kube-apiserver"),
    etcd: required("etcd"),
    kubectl: required("kubectl"),
    kubeControllerManager: find("kube-controller-manager"),
    kubeScheduler: find("kube-scheduler"),
  };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
