/** `hawser lab ...`: looks into a lab while it runs, and changes it. */
import type { Command } from "commander";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { HawserError } from "../core/errors.ts";
import { connectLab } from "../lab/lab-client.ts";
import type { Lab } from "../lab/lab-client.ts";
import type { LabPodStatus, LabStatus } from "../lab/lab-status.ts";
import { type ExplainFlags, explainLive, withQuestionOptions } from "./explain-command.ts";
import { labAdminPort } from "./lab-admin-port.ts";
import { applyInLab, deleteInLab, startInLab, stopInLab } from "./lab-changes.ts";
import { renderLabStatus } from "./render-lab-status.ts";

interface CommonFlags {
  readonly name?: string;
  readonly json?: boolean;
}

const NAME = ["--name <name>", "which lab, when several are running"] as const;

export function addLabCommands(program: Command): void {
  const lab = program
    .command("lab")
    .description("Look into the lab that `npm run up` started, and change it.")
    .enablePositionalOptions();
  lab
    .command("status")
    .description("Nodes, agents and pods.")
    .option(...NAME)
    .option("--json", "everything, for a program")
    .action((flags: CommonFlags) => withLab(flags, (one) => printStatus(one, flags)));
  lab
    .command("exec")
    .description("Run a program in a pod or on a node: hawser lab exec <pod|node> -- <command>")
    .argument("<target>", "a pod (namespace/name, or its name) or a node")
    .argument("<command...>")
    .option(...NAME)
    .passThroughOptions()
    .action((target: string, argv: string[], flags: CommonFlags) => withLab(flags, (one) => exec(one, target, argv)));
  lab
    .command("apply")
    .description("Put documents in force (routes, policies, Services ...), and run their Pods.")
    .argument("<files...>", "YAML files; one of the same name replaces the one before")
    .option(...NAME)
    .action((files: string[], flags: CommonFlags) => withLab(flags, (one) => eachInTurn(one, files, applyInLab)));
  lab
    .command("delete")
    .description("Take back what files that were applied have brought.")
    .argument("<files...>")
    .option(...NAME)
    .action((files: string[], flags: CommonFlags) => withLab(flags, (one) => eachInTurn(one, files, deleteInLab)));
  lab
    .command("stop")
    .description("End a node's agent or the controller, in order or not: see what becomes of traffic.")
    .argument("<who>", "a node, whose agent is meant, or `controller`")
    .option("--signal <signal>", "SIGKILL for a crash", "SIGTERM")
    .option(...NAME)
    .action((who: string, flags: CommonFlags & { signal: string }) =>
      withLab(flags, async (one) => console.log(await stopInLab(one, who, flags.signal))),
    );
  lab
    .command("start")
    .description("Start what was stopped.")
    .argument("<who>", "a node, whose agent is meant, or `controller`")
    .option(...NAME)
    .action((who: string, flags: CommonFlags) =>
      withLab(flags, async (one) => console.log(await startInLab(one, who))),
    );
  lab
    .command("kubectl")
    .description("kubectl as the admin of the lab's API server: hawser lab kubectl -- get pods -A")
    .argument("<arguments...>")
    .option(...NAME)
    .passThroughOptions()
    .action((args: string[], flags: CommonFlags) => withLab(flags, (one) => kubectl(one, args)));
  lab
    .command("rules")
    .description("What the agent of a node made in the kernel: iptables, ipsets, policy routes.")
    .argument("<node>")
    .option(...NAME)
    .option("--json", "as one JSON string")
    .action((node: string, flags: CommonFlags) => withLab(flags, (one) => printRules(one, node, flags)));
  withQuestionOptions(lab.command("explain"))
    .description("What would become of a request, and why, by the table in force and what an agent knows of endpoints.")
    .argument("<who>", "a node, whose agent is asked, or `controller`")
    .option(...NAME)
    .action((who: string, flags: CommonFlags & ExplainFlags) => withLab(flags, (one) => explainInLab(one, who, flags)));
  lab
    .command("logs")
    .description("Log of `controller`, `cluster`, a node's agent or a pod.")
    .argument("<source>", "controller, cluster, a node, or a pod (namespace/name, or its name)")
    .option(...NAME)
    .option("-f, --follow", "go on with what is written from now on")
    .action((source: string, flags: CommonFlags & { follow?: boolean }) =>
      withLab(flags, (one) => printLog(one, source, flags.follow === true)),
    );
}

async function withLab(flags: CommonFlags, use: (lab: Lab) => Promise<void>): Promise<void> {
  await using lab = await connectLab(flags.name);
  await use(lab);
}

async function eachInTurn(
  lab: Lab,
  files: readonly string[],
  change: (lab: Lab, file: string) => Promise<string>,
): Promise<void> {
  for (const file of files) console.log(await change(lab, file));
}

async function printStatus(lab: Lab, flags: CommonFlags): Promise<void> {
  const status = await lab.status();
  console.log(flags.json === true ? JSON.stringify(status, null, 2) : renderLabStatus(status));
}

async function explainInLab(lab: Lab, who: string, flags: ExplainFlags): Promise<void> {
  console.log(await explainLive(labAdminPort(lab, who), flags));
}

async function printRules(lab: Lab, node: string, flags: CommonFlags): Promise<void> {
  const text = await lab.call("rules", { node });
  console.log(flags.json === true ? JSON.stringify(text) : text);
}

/** Exits with the program's own exit code. */
async function exec(lab: Lab, target: string, argv: readonly string[]): Promise<void> {
  const child = await lab.spawn(target, withoutSeparator(argv), { stdio: "inherit" });
  process.exitCode = await exitCodeOf(child);
}

/** Exits with kubectl's exit code. */
async function kubectl(lab: Lab, args: readonly string[]): Promise<void> {
  const child = await lab.spawnKubectl(withoutSeparator(args), { stdio: "inherit" });
  process.exitCode = await exitCodeOf(child);
}

/** commander leaves the `--` that ends our own options where it is. */
function withoutSeparator(argv: readonly string[]): readonly string[] {
  return argv[0] === "--" ? argv.slice(1) : argv;
}

async function printLog(lab: Lab, source: string, follow: boolean): Promise<void> {
  const file = path.join(lab.logsDir, logFile(await lab.status(), source));
  const child = spawn("tail", ["-n", "+1", ...(follow ? ["-f"] : []), file], { stdio: "inherit" });
  process.exitCode = await exitCodeOf(child);
}

async function exitCodeOf(child: ReturnType<typeof spawn>): Promise<number> {
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}

/** On an API server controllers and agents are pods: one of the newest is shown. */
function logFile(status: LabStatus, source: string): string {
  const byName = status.kubernetes === undefined ? undefined : meshPod(status, source);
  if (byName !== undefined) return podLog(byName);
  if (source === "controller" || source === "cluster") return `${source}.log`;
  const node = source.replace(/^agent-/, "");
  if (status.nodes.some(({ name }) => name === node)) return `agent-${node}.log`;
  const pods = status.pods.filter((pod) => pod.uid === source || pod.name === source);
  const [pod] = pods;
  if (pod === undefined || pods.length > 1) {
    throw new HawserError("no-source", `There is no log of ${source}: name controller, cluster, a node or a pod`);
  }
  return podLog(pod);
}

function podLog(pod: LabPodStatus): string {
  return `pods/${pod.namespace}.${pod.name}.log`;
}

/** The controller, or a node's agent. */
function meshPod(status: LabStatus, source: string): LabPodStatus | undefined {
  const node = source === "controller" ? undefined : source.replace(/^agent-/, "");
  const component = node === undefined ? "controller" : "agent";
  return status.pods.findLast((pod) => {
    const isMesh = pod.labels["app.kubernetes.io/name"] === "hawser";
    return isMesh && pod.labels["app.kubernetes.io/component"] === component && (node ?? pod.node) === pod.node;
  });
}
