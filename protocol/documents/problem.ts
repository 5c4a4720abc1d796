/**
 * One thing that is wrong with a document: where it is, what was found, what was expected. Everything that is wrong is
 * reported at once, so that one look is enough to repair a file.
 */
import { MAX_QUOTED_CHARACTERS } from "./limits.ts";

export type ProblemCode =
  // The text
  | "file-too-large"
  | "document-too-large"
  | "syntax"
  | "duplicate-key"
  | "alias-bomb"
  | "too-deep"
  | "too-many-problems"
  // One document
  | "unknown-kind"
  | "unknown-key"
  | "missing-key"
  | "wrong-type"
  | "wrong-value"
  // Documents among each other
  | "duplicate-document"
  | "unknown-node"
  | "missing-target"
  | "address-conflict"
  | "conflicting-policy"
  | "conflicting-route"
  | "not-permitted"
  | "unknown-extension";

/** Keys and list positions from the document's root. */
export type ProblemPath = readonly (string | number)[];

/** Both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Problem extends Position {
  readonly code: ProblemCode;
  readonly file: string;
  /** `spec.containers[0].name`; empty for the whole document or file. */
  readonly path: string;
  readonly found: string;
  readonly expected: string;
  /** What was probably meant. */
  readonly suggestion?: string;
  /** All of it in one sentence, without the place. */
  readonly message: string;
}

/** A problem whose place is known as an offset in the text. */
export type Finding = Omit<Problem, "file" | "path" | keyof Position> & {
  readonly path: ProblemPath;
  readonly offset: number;
};

/** `mesh.yaml:12:3 spec.localty: unknown key, did you mean locality`. Line 0: the place is an object, and has no lines. */
export function formatProblem(problem: Problem): string {
  const path = problem.path === "" ? "" : ` ${problem.path}`;
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  return `${place}${path}: ${problem.message}`;
}

const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** `spec.containers[0].name`, `metadata.labels["app.kubernetes.io/name"]`. */
export function formatPath(path: ProblemPath): string {
  let text = "";
  for (const segment of path) {
    if (typeof segment === "number") text += `[${segment}]`;
    else if (PLAIN_KEY.test(segment)) text += text === "" ? segment : `.${segment}`;
    else text += `[${quote(segment)}]`;
  }
  return text;
}

/** What a person calls the value: `number 5`, `text "five"`, `a list`. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "an empty value";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  if (typeof value === "string") return `text ${quote(value)}`;
  if (typeof value === "number") return `number ${value}`;
  return typeof value === "boolean" || typeof value === "bigint" ? `${value}` : typeof value;
}

/** In quotes, on one line, shortened. */
export function quote(text: string): string {
  const short = text.length > MAX_QUOTED_CHARACTERS ? `${text.slice(0, MAX_QUOTED_CHARACTERS)}…` : text;
  return JSON.stringify(short);
}
