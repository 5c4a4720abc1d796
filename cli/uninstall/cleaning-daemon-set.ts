/**
 * What `hawser uninstall` runs on every node when the agents are gone: `hawser-agent --remove-traces`, for what an orderly stop
 * leaves on purpose (the last table and keys, for the next start) and what a crashed agent left. It has the agent's powers and
 * no more; the folder above the state is mounted, because a mounted folder cannot be removed.
 */
import { NAMESPACE } from "../manifests/names.ts";

export const CLEANING = "hawser-cleaning";
export const CLEANING_LABELS = {
  "app.kubernetes.io/name": "hawser",
  "app.kubernetes.io/component": "cleaning",
} as const;

export function cleaningDaemonSet(image: string): object {
  const security = {
    runAsUser: 0,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW"] },
  };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: CLEANING, namespace: NAMESPACE, labels: CLEANING_LABELS },
    spec: {
      selector: { matchLabels: CLEANING_LABELS },
      template: {
        metadata: { labels: CLEANING_LABELS },
        spec: {
          serviceAccountName: "hawser-agent",
          automountServiceAccountToken: false,
          hostNetwork: true,
          priorityClassName: "system-node-critical",
          tolerations: [{ operator: "Exists" }],
          terminationGracePeriodSeconds: 1,
          securityContext: { seccompProfile: { type: "RuntimeDefault" } },
          initContainers: [
            {
              name: "remove-traces",
              image,
              command: ["hawser-agent", "--remove-traces", "--state-dir", "/host/var/lib/hawser"],
              securityContext: security,
              volumeMounts: [
                { name: "var-lib", mountPath: "/host/var/lib" },
                { name: "xtables-lock", mountPath: "/run/xtables.lock" },
              ],
            },
          ],
          // A DaemonSet's pod has to stay: it is ready when the first container has done its work.
          containers: [
            {
              name: "done",
              image,
              command: ["sleep", "infinity"],
              securityContext: {
                runAsUser: 65532,
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ["ALL"] },
              },
            },
          ],
          volumes: [
            { name: "var-lib", hostPath: { path: "/var/lib", type: "Directory" } },
            { name: "xtables-lock", hostPath: { path: "/run/xtables.lock", type: "FileOrCreate" } },
          ],
        },
      },
    },
  };
}
