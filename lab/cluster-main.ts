/**
 * The first program inside a lab's namespaces: brings the cluster up, serves the control socket, and ends when its
 * standard input does (the launcher holds the other end of that pipe).
 *
 * Standard output carries one JSON event per line for the launcher; everything else goes to logs/cluster.log.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { systemClock } from "../core/clock.ts";
import { describeError, HawserError } from "../core/errors.ts";
import { Cluster } from "./cluster/cluster.ts";
import type { ClusterSettings } from "./cluster/cluster.ts";
import { controlHandlers, serveControl } from "./cluster/control-server.ts";
import type { LabCluster } from "./cluster/lab-cluster.ts";
import { coverOwnRun } from "./cluster/sandbox.ts";
import { KubernetesCluster } from "./kubernetes/kubernetes-cluster.ts";
import type { LabSettings } from "./lab-status.ts";
import type { LabEvent } from "./launcher/launch-lab.ts";

const PROJECT_ROOT = path.resolve(import.meta.dirname, "..");

function tell(event: LabEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function endWithLauncher(): void {
  process.stdin.resume();
  process.stdin.once("end", () => process.exit(0));
  process.stdin.once("error", () => process.exit(0));
  // The pid namespace dies with us; the launcher's death must not be answered by EPIPE on an event.
  process.stdout.on("error", () => process.exit(0));
}

function newCluster(settings: ClusterSettings): LabCluster {
  const { kubernetes } = settings.lab;
  return kubernetes === undefined ? new Cluster(settings) : new KubernetesCluster(settings, kubernetes);
}

async function main(): Promise<void> {
  endWithLauncher();
  const settings = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as LabSettings;
  tell({ event: "progress", detail: "making namespaces" });
  await coverOwnRun(settings.stateDir, PROJECT_ROOT);
  const cluster = newCluster({
    lab: settings,
    projectRoot: PROJECT_ROOT,
    text: readFileSync(settings.file, "utf8"),
    clock: systemClock,
    onProgress: (detail) => tell({ event: "progress", detail }),
  });
  const handlers = controlHandlers(cluster, settings, () => setImmediate(() => process.exit(0)));
  await serveControl(path.join(settings.stateDir, "control.sock"), handlers);
  await cluster.start();
  tell({ event: "ready" });
}

try {
  await main();
} catch (error) {
  tell({ event: "failed", detail: describeError(error) });
  // What we did not throw on purpose is a mistake of ours: its stack goes to the log, and from there to the person.
  if (!(error instanceof HawserError)) console.error(error);
  process.exitCode = 1;
  // The event is written before the namespace dies with this process.
  process.stdout.write("", () => process.exit(1));
}
