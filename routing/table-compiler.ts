/**
 * Compiles states of the documents one after the other, for the controller: the result is always what `compileTable`
 * makes of the state, but only what the documents that came, went and changed concern is compiled.
 *
 *   difference to the last state --each document once, the same Mesh--> changed entries in place of the old ones
 *                                --anything else--> all of it
 *
 * Problems do not stand in the way: each is found again only where it may have changed.
 */
import type { Document } from "../protocol/documents/document.ts";
import type { NodeEntry } from "../protocol/table.ts";
import { changeCompilation, type DocumentDifference } from "./change-compilation.ts";
import { changeEntries } from "./change-entries.ts";
import { type Compilation, compileAll, type CompileInput, type CompileResult, resultOf } from "./compile.ts";

/** The last state, and what became of it. */
interface Base extends Compilation {
  /** Each with the number of the state that had it last: kept in place, as it is as large as the cluster. */
  readonly documents: Map<Document, number>;
  readonly input: Omit<CompileInput, "documents">;
}

export class TableCompiler {
  /** Undefined: the next state is compiled as a whole. */
  #base: Base | undefined;
  #states = 0;

  compile(input: CompileInput): CompileResult {
    const base = this.#base;
    // Until the change is through: one that was half made must not be built upon.
    this.#base = undefined;
    const changed = base === undefined ? undefined : this.#change(base, input);
    this.#base = changed ?? toBase(input, compileAll(input));
    return resultOf(this.#base);
  }

  #change(base: Base, input: CompileInput): Base | undefined {
    const { documents, agentNodes } = input;
    // Which of two documents with one name holds is found out with all of them at hand.
    if (!isSameInput(base.input, input) || base.hasRepeated) return undefined;
    this.#states += 1;
    const difference = documentDifference(base.documents, documents, this.#states);
    const changes = difference === undefined ? undefined : changeCompilation(base, difference);
    if (changes === undefined) return undefined;
    const { mesh, workloads, services, endpoints } = base.contents;
    const contents = {
      mesh,
      nodes: markAgents(changes.nodes, base.agentNodes, agentNodes),
      workloads: changeEntries("workload", workloads, changes.workloads, changes.removedWorkloads),
      services: changeEntries("service", services, changes.services, changes.removedServices),
      endpoints: changeEntries("endpoint", endpoints, changes.endpoints, changes.removedEndpoints),
      routes: changes.routes,
    };
    return { ...base, agentNodes: new Set(agentNodes), contents };
  }
}

function toBase({ documents, ...input }: CompileInput, compilation: Compilation): Base {
  const known = new Map(documents.map((document) => [document, 0]));
  return { ...compilation, documents: known, input };
}

function isSameInput(before: Base["input"], after: Base["input"]): boolean {
  return (
    before.trustDomain === after.trustDomain &&
    before.judgement === after.judgement &&
    before.excludedNamespaces === after.excludedNamespaces
  );
}

/** Brings `known` to this state. Undefined: one is there twice. */
function documentDifference(
  known: Map<Document, number>,
  documents: readonly Document[],
  state: number,
): DocumentDifference | undefined {
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
  return { removed, added };
}

function markAgents(
  nodes: readonly NodeEntry[],
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
): readonly NodeEntry[] {
  if (before.size === after.size && before.isSubsetOf(after)) return nodes;
  return nodes.map((node) => (node.agent === after.has(node.name) ? node : { ...node, agent: after.has(node.name) }));
}
