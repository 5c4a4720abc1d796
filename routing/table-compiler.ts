/**
 * Compiles states of the documents one after the other, for the controller: the result is always what `compileTable`
 * makes of the state, but where only pods came, went and changed, or nodes got an agent, only these are compiled.
 *
 *   difference to the last state --only pods, no rivals, no problems--> changed entries in place of the old ones
 *                                --anything else--> all of it
 *
 * The short way gives up at the first thing that is not plain (two pods with one name, an address that someone has, an
 * unknown node), and the long way then finds out, and says, what is the matter.
 */
import type { Document, PodDocument } from "../protocol/documents/document.ts";
import type { EndpointEntry, NodeEntry, WorkloadEntry } from "../protocol/table.ts";
import { changeEntries } from "./change-entries.ts";
import { type Compilation, compileAll, type CompileInput, type CompileResult, type TableContents } from "./compile.ts";
import { CompileProblems } from "./compile-problems.ts";
import { compileWorkload } from "./compile-workloads.ts";

/** What one pod's document became; without an entry, the pod is not in the table. */
interface PodPart {
  readonly document: PodDocument;
  readonly entry: WorkloadEntry | undefined;
  readonly endpoints: readonly EndpointEntry[];
}

/** The last state, as far as the next one may differ from it by pods and agents alone. */
interface Base extends Omit<Compilation, "pods"> {
  /** Each with the number of the state that had it last: kept in place, as it is as large as the cluster. */
  readonly documents: Map<Document, number>;
  readonly agentNodes: ReadonlySet<string>;
  readonly trustDomain: string | undefined;
  /** By `namespace/name`. */
  readonly pods: Map<string, PodPart>;
}

interface Difference {
  readonly removed: readonly PodDocument[];
  readonly added: readonly PodDocument[];
}

export class TableCompiler {
  /** Undefined: the next state is compiled as a whole. */
  #base: Base | undefined;
  #states = 0;

  compile(input: CompileInput): CompileResult {
    const base = this.#base;
    // Until it is known that the state is fine: a change that was half made must not be built upon.
    this.#base = undefined;
    const contents = base === undefined ? undefined : this.#change(base, input);
    return contents === undefined ? this.#compileAll(input) : { contents, problems: [] };
  }

  #compileAll(input: CompileInput): CompileResult {
    const compilation = compileAll(input);
    const { contents, problems, claims } = compilation;
    // With rivals, who has an address depends on the order of all claims.
    if (problems.length === 0 && claims.rivalries === 0) this.#base = toBase(input, compilation);
    return { contents, problems };
  }

  #change(base: Base, { documents, agentNodes, trustDomain }: CompileInput): TableContents | undefined {
    if (base.trustDomain !== trustDomain) return undefined;
    this.#states += 1;
    const difference = podDifference(base.documents, documents, this.#states);
    const changes = difference === undefined ? undefined : changePods(base, difference);
    if (changes === undefined) return undefined;
    const { workloads, endpoints, nodes, ...others } = base.contents;
    const contents: TableContents = {
      ...others,
      nodes: markAgents(nodes, base.agentNodes, agentNodes),
      workloads: changeEntries("workload", workloads, changes.workloads, changes.removedWorkloads),
      endpoints: changeEntries("endpoint", endpoints, changes.endpoints, changes.removedEndpoints),
    };
    this.#base = { ...base, agentNodes: new Set(agentNodes), contents };
    return contents;
  }
}

function toBase({ documents, agentNodes, trustDomain }: CompileInput, compilation: Compilation): Base {
  const pods = new Map<string, PodPart>();
  for (const document of documents) {
    if (document.kind === "Pod") pods.set(podName(document), { document, entry: undefined, endpoints: [] });
  }
  for (const pod of compilation.pods) pods.set(podName(pod.document), pod);
  const known = new Map(documents.map((document) => [document, 0]));
  return { ...compilation, documents: known, agentNodes: new Set(agentNodes), trustDomain, pods };
}

/** Brings `known` to this state. Undefined: other documents than pods differ too, or one is there twice. */
function podDifference(
  known: Map<Document, number>,
  documents: readonly Document[],
  state: number,
): Difference | undefined {
  const added: Document[] = [];
  for (const document of documents) {
    const last = known.get(document);
    if (last === state) return undefined;
    if (last === undefined) added.push(document);
    known.set(document, state);
  }
  // Otherwise nothing is gone, and need not be looked for.
  const removed = known.size === documents.length ? [] : [...known.keys()].filter((one) => known.get(one) !== state);
  for (const document of removed) known.delete(document);
  return arePods(added) && arePods(removed) ? { removed, added } : undefined;
}

function arePods(documents: readonly Document[]): documents is readonly PodDocument[] {
  return documents.every((document) => document.kind === "Pod");
}

interface EntryChanges {
  readonly workloads: readonly WorkloadEntry[];
  readonly removedWorkloads: ReadonlySet<string>;
  readonly endpoints: readonly EndpointEntry[];
  readonly removedEndpoints: ReadonlySet<string>;
}

/** Changes the base's pods and claims; undefined when something is not plain, and then the base is of no more use. */
function changePods(base: Base, { removed, added }: Difference): EntryChanges | undefined {
  const { pods, claims, facts, selectors } = base;
  const gone = removed.map((document) => pods.get(podName(document)));
  for (const part of gone) {
    for (const address of part?.entry?.addresses ?? []) claims.release(address);
    if (part !== undefined) pods.delete(podName(part.document));
  }
  const problems = new CompileProblems();
  const fresh: PodPart[] = [];
  for (const document of added) {
    if (pods.has(podName(document))) return undefined;
    const pod = compileWorkload(document, facts, claims, problems);
    if (problems.list.length > 0 || claims.rivalries > 0) return undefined;
    const endpoints = pod === undefined ? [] : selectors.endpointsOf(pod);
    const part: PodPart = { document, entry: pod?.entry, endpoints };
    pods.set(podName(document), part);
    fresh.push(part);
  }
  return {
    workloads: fresh.map((part) => part.entry).filter((entry) => entry !== undefined),
    removedWorkloads: new Set(gone.map((part) => part?.entry?.uid).filter((uid) => uid !== undefined)),
    endpoints: fresh.flatMap((part) => part.endpoints),
    removedEndpoints: new Set(gone.flatMap((part) => part?.endpoints ?? []).map((endpoint) => endpoint.key)),
  };
}

function markAgents(
  nodes: readonly NodeEntry[],
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
): readonly NodeEntry[] {
  if (before.size === after.size && before.isSubsetOf(after)) return nodes;
  return nodes.map((node) => (node.agent === after.has(node.name) ? node : { ...node, agent: after.has(node.name) }));
}

function podName({ metadata }: PodDocument): string {
  return `${metadata.namespace}/${metadata.name}`;
}
