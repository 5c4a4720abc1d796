/**
 * The annotations and labels of objects that begin with `hawser.dev/`. Whoever may write a pod may write them wrongly, and
 * must not stop the changes of others by it: a wrong one is taken for not written, and told.
 *
 * What is right is said in the documents' schemas alone. They are asked only about objects that have such a key: few have.
 */
import type { Document } from "../../protocol/documents/document.ts";
import { judgeValue, type SchemaFinding } from "../../protocol/documents/schema-findings.ts";
import { quote } from "../../protocol/documents/problem.ts";
import { limits } from "./limits.ts";

const PREFIX = "hawser.dev/";

type Texts = Readonly<Record<string, string>>;

/** An object as a document, and what was wrong with it. */
export interface ConvertedObject {
  readonly document: Document;
  /** In words, without the object's name. */
  readonly problems: readonly string[];
  /** Of a node: it waits for its agent. */
  readonly isTainted?: boolean;
}

const NO_PROBLEMS: readonly string[] = [];
const NO_TEXTS: Record<string, string> = {};

/** Ours only: others' annotations hold whole manifests, and nobody reads them. */
export function ownAnnotations(annotations: Texts | undefined): Record<string, string> {
  const keys = annotations === undefined ? [] : Object.keys(annotations).filter(isOwn);
  if (annotations === undefined || keys.length === 0) return NO_TEXTS;
  return Object.fromEntries(keys.map((key) => [key, annotations[key] ?? ""]));
}

/** The document without the keys of ours that its schema has something against. */
export function withoutWrongKeys(document: Document): ConvertedObject {
  const { labels, annotations } = document.metadata;
  if (![...Object.keys(labels), ...Object.keys(annotations)].some(isOwn)) return { document, problems: NO_PROBLEMS };
  const { source: _, ...value } = document;
  const judgement = judgeValue(document.kind, value);
  const wrong = "findings" in judgement ? judgement.findings.filter(isAboutOwnKey) : [];
  if (wrong.length === 0) return { document, problems: NO_PROBLEMS };
  const metadata = {
    ...document.metadata,
    labels: without(labels, keysOf("labels", wrong)),
    annotations: without(annotations, keysOf("annotations", wrong)),
  };
  // The same kind of document, with fewer entries in two of its mappings.
  return { document: { ...document, metadata } as Document, problems: wrong.map(describeFinding) };
}

function isOwn(key: string): boolean {
  return key.startsWith(PREFIX);
}

function isAboutOwnKey({ path }: SchemaFinding): boolean {
  const [top, part, key] = path;
  return top === "metadata" && (part === "labels" || part === "annotations") && typeof key === "string" && isOwn(key);
}

function keysOf(part: "labels" | "annotations", findings: readonly SchemaFinding[]): ReadonlySet<string> {
  return new Set(findings.filter(({ path }) => path[1] === part).map(({ path }) => String(path[2])));
}

function without(texts: Texts, keys: ReadonlySet<string>): Texts {
  return Object.fromEntries(Object.entries(texts).filter(([key]) => !keys.has(key)));
}

function describeFinding({ path, message }: SchemaFinding): string {
  const what = path[1] === "labels" ? "label" : "annotation";
  return `${what} ${quote(String(path[2]))} is ignored: ${message}`.slice(0, limits.problemCharacters);
}
