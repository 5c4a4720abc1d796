/** The API server that the flags of a command name. */
import { Option, type Command } from "commander";
import type { KubeClient } from "../kubernetes/kube-client.ts";
import { openKubeClient } from "../kubernetes/open-kube-client.ts";

export interface ClusterFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
}

export function withClusterFlags(command: Command): Command {
  return command
    .addOption(new Option("--kubeconfig <file>", "instead of KUBECONFIG and ~/.kube/config"))
    .addOption(new Option("--context <name>", "of the kubeconfig, other than its current one"));
}

/** Rejects with HawserError when nothing names a cluster, or with what `use` rejects with. */
export async function withCluster<T>(flags: ClusterFlags, use: (kube: KubeClient) => Promise<T>): Promise<T> {
  const { kubeconfig, context } = flags;
  const client = await openKubeClient({ kubeconfig, context, environment: process.env });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}
