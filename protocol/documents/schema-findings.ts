/**
 * What a document's schema has against a value, in words for the person who wrote it: what was expected and found, at
 * which path, and what was probably meant.
 */
import type { z } from "zod";
import { DOCUMENT_SCHEMAS, type DocumentKind } from "./document.ts";
import { type JsonSchema, KIND_JSON_SCHEMAS } from "./json-schema.ts";
import { MAX_PROBLEMS_PER_FILE } from "./limits.ts";
import { nearMiss } from "./near-miss.ts";
import { describeValue, type Finding, type ProblemPath, quote } from "./problem.ts";

/** A finding before its place in the text is known. `at` says whether the key or the value is to be pointed at. */
export type SchemaFinding = Omit<Finding, "offset"> & { readonly at: "key" | "value" };

type Judgement =
  | { readonly data: z.output<(typeof DOCUMENT_SCHEMAS)[DocumentKind]> }
  | { readonly findings: readonly SchemaFinding[] };

export function judgeValue(kind: DocumentKind, value: unknown): Judgement {
  const result = DOCUMENT_SCHEMAS[kind].safeParse(value, { error: expectedOf });
  if (result.success) return { data: result.data };
  const schema = KIND_JSON_SCHEMAS[kind];
  const issues = result.error.issues.slice(0, MAX_PROBLEMS_PER_FILE + 1);
  const quotable = wantingQuotes(kind, value, issues);
  return { findings: issues.flatMap((issue) => findingsOf(issue, value, schema, quotable)) };
}

/** `unknown key, did you mean locality`, or what the keys are when there are few. */
function unknownKey(path: ProblemPath, known: readonly string[]): SchemaFinding {
  const key = String(path.at(-1));
  const suggestion = nearMiss(key, known);
  const expected = known.length === 0 ? "no key" : `one of the keys ${known.join(", ")}`;
  const hint = suggestion === undefined ? `expected ${expected}` : `did you mean ${suggestion}`;
  const message = `unknown key, ${hint}`;
  return { code: "unknown-key", path, at: "key", found: `key ${quote(key)}`, expected, message, ...given(suggestion) };
}

/** The sentence for a value that is not what it should be. */
export function wrongValue(
  code: Finding["code"],
  path: ProblemPath,
  found: string,
  expected: string,
  suggestion?: string,
): SchemaFinding {
  const at = code === "missing-key" ? "key" : "value";
  const what = code === "missing-key" ? `missing, expected ${expected}` : `expected ${expected}, found ${found}`;
  const message = suggestion === undefined ? what : `${what}, did you mean ${suggestion}`;
  return { code, path, at, found, expected, message, ...given(suggestion) };
}

function findingsOf(
  issue: z.core.$ZodIssue,
  root: unknown,
  schema: JsonSchema,
  quotable: ReadonlySet<z.core.$ZodIssue>,
): readonly SchemaFinding[] {
  const path = issue.path.map((segment) => (typeof segment === "number" ? segment : String(segment)));
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(schema, path);
    return issue.keys.map((key) => unknownKey([...path, key], known));
  }
  if (issue.code === "invalid_key") {
    const expected = issue.issues[0]?.message ?? "another key";
    return [{ ...wrongValue("wrong-value", path, `key ${quote(String(path.at(-1)))}`, expected), at: "key" }];
  }
  const meant = issue.code === "invalid_union" ? meantOption(issue) : undefined;
  if (meant !== undefined) {
    const inside = meant.map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
    return inside.flatMap((each) => findingsOf(each, root, schema, quotable));
  }
  const value = valueAt(root, path);
  if (value === undefined) return [wrongValue("missing-key", path, "nothing", issue.message)];
  const code = issue.code === "invalid_type" || issue.code === "invalid_union" ? "wrong-type" : "wrong-value";
  const suggestion = quotable.has(issue)
    ? `"${typeof value === "string" ? value : JSON.stringify(value)}" in quotes`
    : nearValue(issue, value);
  return [wrongValue(code, path, describeValue(value), issue.message, suggestion)];
}

/** What is wrong inside of the value, when it has the form of one of the alternatives only. */
function meantOption({ errors }: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] | undefined {
  const inside = errors.filter((option) =>
    option.every(({ code, path }) => path.length > 0 || code === "unrecognized_keys"),
  );
  return inside.length === 1 ? inside[0] : undefined;
}

/** What was expected, where the schema has no words of its own. */
function expectedOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === "invalid_type") return TYPE_NAMES[issue.expected as string] ?? String(issue.expected);
  if (issue.code === "invalid_value") return alternatives((issue.values as readonly unknown[]).map(String));
  if (issue.code === "too_small") return `at least ${issue.minimum}`;
  if (issue.code === "too_big") return `at most ${issue.maximum}`;
  return undefined;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "a mapping",
  record: "a mapping",
  array: "a list",
};

function alternatives(values: readonly string[]): string {
  const shown = values.map((value) => (value === "" ? '""' : value));
  return shown.length < 2 ? (shown[0] ?? "nothing") : `${shown.slice(0, -1).join(", ")} or ${shown.at(-1)}`;
}

function nearValue(issue: z.core.$ZodIssue, value: unknown): string | undefined {
  return issue.code === "invalid_value" && typeof value === "string"
    ? nearMiss(value, issue.values.map(String))
    : undefined;
}

/** The issues that quotes would settle, `version: 1` for `version: "1"`: the usual slip of YAML. Found by trying. */
function wantingQuotes(
  kind: DocumentKind,
  root: unknown,
  issues: readonly z.core.$ZodIssue[],
): ReadonlySet<z.core.$ZodIssue> {
  const slips = issues.flatMap((issue) => {
    const value = valueAt(root, issue.path as ProblemPath);
    const key = issue.path.at(-1);
    if ((typeof value !== "number" && typeof value !== "boolean") || key === undefined) return [];
    const parent = valueAt(root, issue.path.slice(0, -1) as ProblemPath) as Record<PropertyKey, unknown>;
    return [{ issue, parent, key, value }];
  });
  if (slips.length === 0) return new Set();
  for (const { parent, key, value } of slips) parent[key] = String(value);
  const left = new Set(DOCUMENT_SCHEMAS[kind].safeParse(root).error?.issues.map(({ path }) => path.join("\n")));
  for (const { parent, key, value } of slips) parent[key] = value;
  return new Set(slips.flatMap(({ issue }) => (left.has(issue.path.join("\n")) ? [] : [issue])));
}

/** The keys a mapping may have, read from the JSON Schema because that is plain data. */
function knownKeys(schema: JsonSchema, path: ProblemPath): readonly string[] {
  let at: JsonSchema | undefined = schema;
  for (const segment of path) {
    const next: unknown =
      typeof segment === "number" ? at?.items : (at?.properties?.[segment] ?? at?.additionalProperties);
    at = typeof next === "object" && next !== null ? mappingOf(next as JsonSchema) : undefined;
  }
  return Object.keys(at?.properties ?? {});
}

/** Of alternatives, the one with keys. */
function mappingOf(schema: JsonSchema): JsonSchema {
  const options = (schema.anyOf ?? []).filter((option): option is JsonSchema => typeof option === "object");
  return options.find(({ properties }) => properties !== undefined) ?? schema;
}

function valueAt(root: unknown, path: ProblemPath): unknown {
  let value = root;
  for (const segment of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[segment];
  }
  return value;
}

function given(suggestion: string | undefined): { readonly suggestion?: string } {
  return suggestion === undefined ? {} : { suggestion };
}
