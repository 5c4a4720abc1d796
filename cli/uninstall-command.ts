/** `hawser uninstall`: takes Hawser out of the cluster and its traces off the nodes, or prints what `kubectl delete` takes. */
import type { Command } from "commander";
import { setTimeout as sleep } from "node:timers/promises";
import { ManifestSet } from "./manifests/manifest-set.ts";
import { type ClusterFlags, withCluster, withClusterFlags } from "./open-cluster.ts";
import { readManifests } from "./read-manifests.ts";
import { uninstall } from "./uninstall/uninstall.ts";

interface UninstallFlags extends ClusterFlags {
  readonly render?: boolean;
  readonly keepState?: boolean;
}

export function addUninstallCommand(program: Command): void {
  withClusterFlags(program.command("uninstall"))
    .description("Take Hawser out of the cluster: agents first, traces on the nodes, then the rest.")
    .option(
      "--render",
      "only print the objects, for: hawser uninstall --render | kubectl delete --ignore-not-found -f -",
    )
    .option("--keep-state", "leave /var/lib/hawser on the nodes: the last table, and keys that end within a day")
    .action(run);
}

async function run({ render, keepState = false, ...cluster }: UninstallFlags): Promise<void> {
  const manifests = new ManifestSet(readManifests().values());
  if (render === true) {
    process.stdout.write(manifests.inDeletionOrder());
    return;
  }
  const say = (line: string): void => console.log(line);
  const objects = manifests.references();
  await withCluster(cluster, (kube) => uninstall({ kube, objects, keepState, say, sleep }));
}
