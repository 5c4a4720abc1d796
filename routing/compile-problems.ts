/** Collects what is wrong with documents as a whole: each problem points into the text of the document to change. */
import type { Document } from "../protocol/documents/document.ts";
import type { Problem, ProblemCode } from "../protocol/documents/problem.ts";

/**
 * What a problem costs.
 *   whole  everything: one person wrote all documents, and a reference to what is not there is a slip
 *   each   what is wrong is left out: many people write, and documents that belong together arrive one by one
 */
export type Judgement = "whole" | "each";

export interface CompileProblem {
  readonly code: ProblemCode;
  /** Keys from the root of the document: `["spec", "nodeName"]`. */
  readonly path: readonly (string | number)[];
  readonly found: string;
  readonly expected: string;
  /** The default says what was expected and found. */
  readonly message?: string;
}

export class CompileProblems {
  readonly list: Problem[] = [];

  add(document: Document, problem: CompileProblem): void {
    const { code, path, found, expected } = problem;
    const message = problem.message ?? `expected ${expected}, found ${found}`;
    const { line, column } = document.source.locate(path);
    const text = path.reduce<string>((before, key) => before + segment(before, key), "");
    this.list.push({ code, file: document.source.file, line, column, path: text, found, expected, message });
  }
}

/** `Pod shop/catalog-1`, `Node node-1`: what makes a document unique. */
export function documentName({ kind, metadata }: Document): string {
  return "namespace" in metadata ? `${kind} ${metadata.namespace}/${metadata.name}` : `${kind} ${metadata.name}`;
}

/** `mesh.yaml:12`: where another document is; where there are no lines, its name says it. */
export function placeOfDocument({ source }: Document): string {
  return source.line === 0 ? source.file : `${source.file}:${source.line}`;
}

/** At most a few of many names, for a sentence. */
export function someOf(names: Iterable<string>): string {
  const shown: string[] = [];
  for (const name of names) {
    if (shown.length === MOST_NAMES) return `${shown.join(", ")}, ...`;
    shown.push(name);
  }
  return shown.length === 0 ? "none" : shown.join(", ");
}

/** More than this nobody reads in a line. */
const MOST_NAMES = 8;

function segment(before: string, key: string | number): string {
  if (typeof key === "number") return `[${key}]`;
  return before === "" ? key : `.${key}`;
}
