/**
 * Pod documents -> workload entries. Left out without a word: pods that have no node or no address yet, that have
 * ended, and hostNetwork pods, which have no address of their own.
 */
import type { PodDocument } from "../protocol/documents/document.ts";
import type { WorkloadEntry, WorkloadState } from "../protocol/table.ts";
import { normalizeAddress } from "./address.ts";
import type { AddressClaims } from "./address-claims.ts";
import { type CompileProblems, someOf } from "./compile-problems.ts";

/** What Services need to know of a pod besides its entry. */
export interface CompiledPod {
  readonly entry: WorkloadEntry;
  readonly document: PodDocument;
}

export interface WorkloadFacts {
  readonly nodeNames: ReadonlySet<string>;
  readonly excludedNamespaces: ReadonlySet<string>;
}

export function compileWorkloads(
  documents: readonly PodDocument[],
  facts: WorkloadFacts,
  claims: AddressClaims,
  problems: CompileProblems,
): CompiledPod[] {
  // A pod that ends gives its address to the next one while its document is still there: living pods choose first.
  const living = documents.filter((document) => document.metadata.deletionTimestamp === undefined);
  const ending = documents.filter((document) => document.metadata.deletionTimestamp !== undefined);
  const pods = [...living, ...ending].map((document) => compileWorkload(document, facts, claims, problems));
  return pods.filter((pod) => pod !== undefined);
}

/** Undefined: the pod is not in the table. */
export function compileWorkload(
  document: PodDocument,
  { nodeNames, excludedNamespaces }: WorkloadFacts,
  claims: AddressClaims,
  problems: CompileProblems,
): CompiledPod | undefined {
  const { nodeName } = document.spec;
  if (nodeName === undefined || !isRunning(document)) return undefined;
  if (!nodeNames.has(nodeName)) {
    const about = { found: `node ${nodeName}`, expected: `one of the nodes ${someOf(nodeNames)}` };
    problems.add(document, { code: "unknown-node", path: ["spec", "nodeName"], ...about });
    return undefined;
  }
  const addresses = podAddresses(document, claims, problems);
  return addresses.length === 0
    ? undefined
    : { document, entry: toEntry(document, nodeName, addresses, excludedNamespaces) };
}

function isRunning({ spec, status }: PodDocument): boolean {
  return !spec.hostNetwork && status.phase !== "Succeeded" && status.phase !== "Failed";
}

function podAddresses(document: PodDocument, claims: AddressClaims, problems: CompileProblems): string[] {
  const { podIP, podIPs = [] } = document.status;
  const texts: [string, readonly (string | number)[]][] = podIPs.map(({ ip }, i) => [
    ip,
    ["status", "podIPs", i, "ip"],
  ]);
  if (podIP !== undefined) texts.unshift([podIP, ["status", "podIP"]]);
  const addresses = new Set<string>();
  for (const [text, path] of texts) {
    const address = normalizeAddress(text);
    if (address === undefined || addresses.has(address)) continue;
    const name = `Pod ${document.metadata.namespace}/${document.metadata.name}`;
    if (claims.claim(address, name, document)) addresses.add(address);
    else if (document.metadata.deletionTimestamp === undefined) claims.report(problems, address, document, path);
  }
  return [...addresses];
}

function toEntry(
  document: PodDocument,
  node: string,
  addresses: readonly string[],
  excluded: ReadonlySet<string>,
): WorkloadEntry {
  const { namespace, name, labels, annotations } = document.metadata;
  const wish = annotations["hawser.dev/mesh"];
  return {
    uid: `${namespace}/${name}`,
    namespace,
    name,
    workload: workloadName(name, labels),
    node,
    addresses,
    serviceAccount: document.spec.serviceAccountName,
    labels,
    mesh: wish === undefined ? !excluded.has(namespace) : wish === "enabled",
    state: podState(document),
  };
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
