/** Where an object is at the API server, by its reference. Only kinds that our manifests have. */
import { HawserError } from "../../core/errors.ts";
import type { ObjectReference } from "../manifests/manifest-set.ts";

const PLURALS: Readonly<Record<string, string>> = {
  ClusterRole: "clusterroles",
  ClusterRoleBinding: "clusterrolebindings",
  ConfigMap: "configmaps",
  DaemonSet: "daemonsets",
  Deployment: "deployments",
  Namespace: "namespaces",
  NetworkPolicy: "networkpolicies",
  PodDisruptionBudget: "poddisruptionbudgets",
  Role: "roles",
  RoleBinding: "rolebindings",
  Service: "services",
  ServiceAccount: "serviceaccounts",
};

/** Throws HawserError `unknown-kind`. */
export function objectPath({ apiVersion, kind, namespace, name }: ObjectReference): string {
  const plural = PLURALS[kind];
  if (plural === undefined) throw new HawserError("unknown-kind", `Cannot find objects of kind ${kind}`);
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return namespace === "" ? `${root}/${plural}/${name}` : `${root}/namespaces/${namespace}/${plural}/${name}`;
}
