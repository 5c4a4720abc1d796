/** A kubeconfig for one user with a token, as the text of a file (pure). */
import { stringify } from "yaml";

export interface KubeconfigUser {
  readonly server: string;
  readonly rootPem: string;
  readonly name: string;
  readonly token: string;
}

export function kubeconfigText({ server, rootPem, name, token }: KubeconfigUser): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "lab", cluster: { server, "certificate-authority-data": Buffer.from(rootPem).toString("base64") } },
    ],
    users: [{ name, user: { token } }],
    contexts: [{ name: "lab", context: { cluster: "lab", user: name } }],
    "current-context": "lab",
  });
}
