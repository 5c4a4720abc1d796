/** What the downward API tells a pod about itself, by field path (pure): for `fieldRef` in env and in volumes. */
import type { PodObject } from "./kube-objects.ts";

export interface PodPlace {
  readonly nodeName: string;
  readonly hostIps: readonly string[];
}

/** `ips`: empty before the pod has any. Undefined: no such field. */
export function podFact(
  pod: PodObject,
  place: PodPlace,
  ips: readonly string[],
  fieldPath: string,
): string | undefined {
  const { metadata, spec } = pod;
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath);
  if (keyed !== null) return metadata[keyed[1] as "labels" | "annotations"]?.[keyed[2] ?? ""] ?? "";
  const facts: Readonly<Record<string, string | undefined>> = {
    "metadata.name": metadata.name,
    "metadata.namespace": metadata.namespace,
    "metadata.uid": metadata.uid,
    "metadata.labels": keyValueLines(metadata.labels),
    "metadata.annotations": keyValueLines(metadata.annotations),
    "spec.nodeName": place.nodeName,
    "spec.serviceAccountName": spec.serviceAccountName ?? "default",
    "status.hostIP": place.hostIps[0],
    "status.hostIPs": place.hostIps.join(","),
    "status.podIP": ips[0] ?? "",
    "status.podIPs": ips.join(","),
  };
  return facts[fieldPath];
}

/** `key="value"` per line, as the kubelet writes a whole map. */
function keyValueLines(map: Readonly<Record<string, string>> = {}): string {
  return Object.entries(map)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join("\n");
}
