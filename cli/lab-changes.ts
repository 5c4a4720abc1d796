/**
 * `hawser lab apply|delete|stop|start`: changes a lab while it runs. Documents go to the controller as they are, pods are
 * run; a change is told when every agent has it in force, and one that is refused is taken back.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseAllDocuments } from "yaml";
import { describeError, HawserError } from "../core/errors.ts";
import type { Lab } from "../lab/lab-client.ts";
import type { LabPod } from "../lab/lab-status.ts";
import type { ReplicaStatus } from "./cluster/controller-status.ts";
import { labAdminPort } from "./lab-admin-port.ts";

/** A file as given; the lab's own files have other names. */
interface Applied {
  readonly file: string;
  readonly text: string;
  readonly pods: readonly LabPod[];
}

const POLL_MS = 50;
/** Of a change that is none, nobody ever tells. */
const UNCHANGED_MS = 2_000;
const IN_FORCE_MS = 15_000;

/** What has become of it, in one line. Throws `refused` with every problem, and then nothing has changed. */
export async function applyInLab(lab: Lab, file: string): Promise<string> {
  const { file: name, text, pods } = readFile(file);
  const stored = path.join(lab.documentsDir, name);
  const before = existsSync(stored) ? readFileSync(stored, "utf8") : undefined;
  const since = await tableStatus(lab);
  const startedMs = performance.now();
  let status = since;
  if (text !== (before ?? "")) {
    await lab.call("applyDocuments", { file: name, text });
    status = await inForce(lab, since);
    if (status.problems.length > 0) {
      if (before === undefined) await lab.call("removeDocuments", { file: name });
      else await lab.call("applyDocuments", { file: name, text: before });
      throw new HawserError("refused", `Nothing of ${file} is applied:\n${status.problems.join("\n")}`);
    }
  }
  if (await runPods(lab, pods)) status = await inForce(lab, status);
  if (status.sequence === since.sequence) return `${file}: nothing has changed`;
  return `${file}: in force at ${agents(status)}, ${elapsed(startedMs)}`;
}

/** Those that do not run yet: a pod is never changed. False: all do. */
async function runPods(lab: Lab, pods: readonly LabPod[]): Promise<boolean> {
  const running = new Set((await lab.status()).pods.map(({ uid }) => uid));
  const missing = pods.filter((pod) => !running.has(uidOf(pod)));
  for (const document of missing) await lab.call("addPod", { document });
  return missing.length > 0;
}

/** What a file that was applied has brought is taken back, its pods too. */
export async function deleteInLab(lab: Lab, file: string): Promise<string> {
  const { file: name, pods } = readFile(file);
  const since = await tableStatus(lab);
  const startedMs = performance.now();
  await lab.call("removeDocuments", { file: name });
  for (const pod of pods) await lab.call("removePod", { pod: uidOf(pod) });
  const status = await inForce(lab, since);
  if (status.sequence === since.sequence) return `${file}: there was nothing of it`;
  return `${file}: gone from ${agents(status)}, ${elapsed(startedMs)}`;
}

/** `who`: a node, whose agent is meant, or `controller`. */
export async function stopInLab(lab: Lab, who: string, signal: string): Promise<string> {
  if (who === "controller") await lab.call("signalController", { signal });
  else await lab.call("signalAgent", { node: who, signal });
  return `${signal} is sent; \`hawser lab start ${who}\` starts it again`;
}

export async function startInLab(lab: Lab, who: string): Promise<string> {
  const { pid } = await (who === "controller"
    ? lab.call("startController", {})
    : lab.call("startAgent", { node: who }));
  return `started, pid ${pid}`;
}

function uidOf({ metadata }: LabPod): string {
  return `${metadata.namespace ?? "default"}/${metadata.name}`;
}

/** Pods apart from the rest. Of text that is no YAML the controller says what is wrong. */
function readFile(file: string): Applied {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new HawserError("unreadable", `${file} cannot be read: ${describeError(error)}`);
  }
  const name = `applied.${path.basename(file).replace(/\.(?:yaml|yml)$/, "")}.yaml`;
  const documents = [...parseAllDocuments(text)];
  const isPod = (document: (typeof documents)[number]): boolean =>
    document.errors.length === 0 && document.get("kind") === "Pod";
  const pods = documents.filter(isPod);
  if (pods.length === 0) return { file: name, text, pods: [] };
  const rest = documents.filter((document) => !isPod(document));
  return {
    file: name,
    text: rest.map(String).join(""),
    pods: pods.map((pod) => pod.toJS() as LabPod),
  };
}

/** As soon as there is a newer table that every agent has, or documents are refused; else, after a while, as it is. */
async function inForce(lab: Lab, since: ReplicaStatus): Promise<ReplicaStatus> {
  const startedMs = performance.now();
  for (;;) {
    const status = await tableStatus(lab);
    const waitedMs = performance.now() - startedMs;
    const isJudged = status.sequence !== since.sequence || status.problems.length > 0;
    if (isJudged && status.settled && status.stragglers.length === 0) return status;
    if (!isJudged && waitedMs > UNCHANGED_MS) return status;
    if (waitedMs > IN_FORCE_MS) {
      throw new HawserError(
        "not-in-force",
        `After ${IN_FORCE_MS / 1_000} s not in force at ${status.stragglers.join(", ")}`,
      );
    }
    await sleep(POLL_MS);
  }
}

async function tableStatus(lab: Lab): Promise<ReplicaStatus> {
  return (await labAdminPort(lab, "controller").get("/status")) as ReplicaStatus;
}

function agents({ agents: all, sequence }: ReplicaStatus): string {
  return `${all.length} agent${all.length === 1 ? "" : "s"} (table ${sequence})`;
}

function elapsed(startedMs: number): string {
  return `after ${((performance.now() - startedMs) / 1_000).toFixed(2)} s`;
}
