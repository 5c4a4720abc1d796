/** `hawser status`: table, agents, controllers, refused documents. Exits with 1 unless every agent is up to date. */
import type { Command } from "commander";
import { readMeshStatus, readStatusAt } from "./cluster/read-mesh-status.ts";
import { type ClusterFlags, withCluster, withClusterFlags } from "./open-cluster.ts";
import { renderStatus } from "./render-status.ts";

interface StatusFlags extends ClusterFlags {
  readonly json?: boolean;
  readonly url?: string;
}

export function addStatusCommand(program: Command): void {
  withClusterFlags(program.command("status"))
    .description("How the mesh is: its table, its agents, and why documents are refused.")
    .option(
      "--url <url>",
      "of a controller's admin port, e.g. http://127.0.0.1:15010, instead of the API server's proxy",
    )
    .option("--json", "for a program")
    .action(status);
}

async function status({ json, url, ...cluster }: StatusFlags): Promise<void> {
  const found = url === undefined ? await withCluster(cluster, readMeshStatus) : await readStatusAt(url);
  console.log(json === true ? JSON.stringify(found, null, 2) : renderStatus(found));
  if (!found.converged || found.problems.length > 0) process.exitCode = 1;
}
