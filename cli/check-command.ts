/** `hawser check`: looks at the cluster, before an installation and after it. Changes nothing. */
import type { Command } from "commander";
import { checkExitCode, renderFindings } from "../protocol/finding.ts";
import { judgeCluster } from "./cluster/judge-cluster.ts";
import { readClusterFacts } from "./cluster/read-cluster-facts.ts";
import { type ClusterFlags, withCluster, withClusterFlags } from "./open-cluster.ts";

interface CheckFlags extends ClusterFlags {
  readonly json?: boolean;
}

export function addCheckCommand(program: Command): void {
  withClusterFlags(program.command("check"))
    .description(
      "Look whether the cluster is fit for Hawser, and how Hawser is. Exits with 1 when something has failed.",
    )
    .option("--json", "for a program")
    .addHelpText(
      "after",
      "\nA node is looked at from inside: kubectl -n hawser-system exec POD -- hawser-agent --check",
    )
    .action(check);
}

async function check({ json, ...cluster }: CheckFlags): Promise<void> {
  const findings = judgeCluster(await withCluster(cluster, (kube) => readClusterFacts(kube, Date.now())));
  console.log(json === true ? JSON.stringify(findings, null, 2) : renderFindings(findings));
  process.exitCode = checkExitCode(findings);
}
