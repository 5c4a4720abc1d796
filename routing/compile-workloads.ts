/**
 * Pod documents -> workload entries. Left out without a word: pods that have no node or no address yet, that have
 * ended, and hostNetwork pods, which have no address of their own.
 */
import type { PodDocument } from "../protocol/documents/document.ts";
import type { WorkloadEntry, WorkloadState } from "../protocol/table.ts";
import { type AddressClaims, type WantedAddress, wantedAddresses } from "./address-claims.ts";
import { type CompileProblems, type Judgement, someOf } from "./compile-problems.ts";
import type { KnownNodes } from "./known-nodes.ts";

export interface WorkloadFacts {
  readonly judgement: Judgement;
  readonly nodes: Pick<KnownNodes, "has" | "names">;
  readonly excludedNamespaces: ReadonlySet<string>;
  /** Namespaces whose label takes their pods into the mesh (true) or out of it. */
  readonly labelledNamespaces: ReadonlyMap<string, boolean>;
}

/** Undefined: the pod is not in the table. */
export function compileWorkload(
  document: PodDocument,
  facts: WorkloadFacts,
  claims: AddressClaims,
  problems: CompileProblems,
): WorkloadEntry | undefined {
  const { nodeName } = document.spec;
  if (nodeName === undefined || !isRunning(document)) return undefined;
  if (!facts.nodes.has(nodeName)) {
    if (facts.judgement === "whole") {
      const about = { found: `node ${nodeName}`, expected: `one of the nodes ${someOf(facts.nodes.names())}` };
      problems.add(document, { code: "unknown-node", path: ["spec", "nodeName"], ...about });
    }
    return undefined;
  }
  const addresses = claims.granted(document, podAddresses(document, facts), problems);
  return addresses.length === 0 ? undefined : toEntry(document, nodeName, addresses, facts);
}

/** None while the pod is not on a node that is known, and none any more when it has ended. */
export function podAddresses(document: PodDocument, { nodes }: WorkloadFacts): readonly WantedAddress[] {
  const { nodeName } = document.spec;
  if (nodeName === undefined || !isRunning(document) || !nodes.has(nodeName)) return [];
  const { podIP, podIPs = [] } = document.status;
  const texts = podIPs.map(({ ip }, i) => [ip, ["status", "podIPs", i, "ip"]] as const);
  return wantedAddresses(podIP === undefined ? texts : [[podIP, ["status", "podIP"]], ...texts]);
}

function isRunning({ spec, status }: PodDocument): boolean {
  return !spec.hostNetwork && status.phase !== "Succeeded" && status.phase !== "Failed";
}

function toEntry(
  document: PodDocument,
  node: string,
  addresses: readonly string[],
  facts: WorkloadFacts,
): WorkloadEntry {
  const { namespace, name, labels } = document.metadata;
  return {
    uid: `${namespace}/${name}`,
    namespace,
    name,
    workload: workloadName(name, labels),
    node,
    addresses,
    serviceAccount: document.spec.serviceAccountName,
    labels,
    mesh: isInMesh(document, facts),
    state: podState(document),
  };
}

/** What is said of the pod itself, else of its namespace by the label, else by the mesh. */
function isInMesh({ metadata }: PodDocument, { labelledNamespaces, excludedNamespaces }: WorkloadFacts): boolean {
  const wish = metadata.annotations["hawser.dev/mesh"];
  if (wish !== undefined) return wish === "enabled";
  return labelledNamespaces.get(metadata.namespace) ?? !excludedNamespaces.has(metadata.namespace);
}

/** The group the pod belongs to: its well-known label, else its name without what a Deployment appends. */
function workloadName(name: string, labels: Readonly<Record<string, string>>): string {
  const named = labels["app.kubernetes.io/name"] ?? labels["app"];
  if (named !== undefined && named !== "") return named;
  const hash = labels["pod-template-hash"];
  const at = hash === undefined ? -1 : name.lastIndexOf(`-${hash}-`);
  return at > 0 ? name.slice(0, at) : name;
}

/** A document without conditions was written by hand, and says by being there that the pod is. */
function podState({ metadata, status }: PodDocument): WorkloadState {
  if (metadata.deletionTimestamp !== undefined) return "draining";
  if (status.conditions === undefined) {
    return status.phase === undefined || status.phase === "Running" ? "ready" : "unready";
  }
  const ready = status.conditions.some(({ type, status: value }) => type === "Ready" && value === "True");
  return ready ? "ready" : "unready";
}
