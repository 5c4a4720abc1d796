/**
 * Text of a YAML file -> typed documents, and every problem it has. For the controller's files source, the CLI and CI.
 *
 *   text -> size -> YAML documents, one at a time -> plain values -> kind -> schema -> frozen Document
 *
 * A document with a problem is left out; the others of the file are read all the same. Never throws, whatever the text.
 */
import { Composer, type Document as YamlDocument, Parser, type YAMLError } from "yaml";
import { DOCUMENT_SCHEMAS, type Document, type DocumentKind, documentName } from "./document.ts";
import {
  MAX_DOCUMENT_CHARACTERS,
  MAX_DOCUMENTS_PER_FILE,
  MAX_FILE_BYTES,
  MAX_MESSAGE_CHARACTERS,
  MAX_PROBLEMS_PER_FILE,
  MAX_SYNTAX_PROBLEMS_PER_DOCUMENT,
} from "./limits.ts";
import { LineIndex } from "./line-index.ts";
import { nearMiss } from "./near-miss.ts";
import { describeValue, type Finding, formatPath, type Position, type Problem, quote } from "./problem.ts";
import { judgeValue, type SchemaFinding, wrongValue } from "./schema-findings.ts";
import { TextSource } from "./text-source.ts";
import { YAML_OPTIONS } from "./yaml-options.ts";
import { placeOf } from "./yaml-position.ts";
import { yamlValue } from "./yaml-value.ts";

export interface ParsedDocuments {
  readonly documents: readonly Document[];
  /** In the order of the text. */
  readonly problems: readonly Problem[];
}

/**
 * `share` gives an equal text instead of the one that was parsed, for whoever keeps many documents: the parser puts a text
 * in quotes together letter by letter, in pieces of 32 bytes that stay as long as nobody looks at it.
 */
export function parseDocuments(
  text: string,
  fileName: string,
  share: (text: string) => string = (one) => one,
): ParsedDocuments {
  if (text.length > MAX_FILE_BYTES) return { documents: [], problems: [fileTooLarge(fileName, text.length)] };
  const excess = documentTooMuch(text);
  if (excess !== undefined) return { documents: [], problems: [{ file: fileName, ...excess }] };
  return new FileReader(text, fileName, share).read();
}

/** For whoever sees the size before the text: a file that large is not worth reading. */
export function fileTooLarge(fileName: string, bytes: number): Problem {
  const expected = `at most ${MAX_FILE_BYTES} bytes in a file`;
  const found = `${bytes} bytes`;
  const message = `expected ${expected}, found ${found}, divide it into several files`;
  return { code: "file-too-large", file: fileName, line: 1, column: 1, path: "", found, expected, message };
}

/** Reads one file; everything it says goes to `#problems`. */
class FileReader {
  readonly #text: string;
  readonly #fileName: string;
  readonly #share: (text: string) => string;
  readonly #lines: LineIndex;
  readonly #documents: Document[] = [];
  readonly #problems: Problem[] = [];
  readonly #places = new Map<string, Position>();

  constructor(text: string, fileName: string, share: (text: string) => string) {
    this.#text = text;
    this.#share = share;
    this.#lines = new LineIndex(text);
    this.#fileName = fileName;
  }

  read(): ParsedDocuments {
    const tokens = new Parser().parse(this.#text);
    const composer = new Composer(YAML_OPTIONS);
    for (const yaml of composer.compose(tokens, true, this.#text.length)) {
      this.#readDocument(yaml);
      if (this.#problems.length > MAX_PROBLEMS_PER_FILE) break;
    }
    this.#problems.sort((a, b) => a.line - b.line || a.column - b.column);
    return { documents: this.#documents, problems: readable(this.#problems) };
  }

  #readDocument(yaml: YamlDocument.Parsed): void {
    const syntax = [...yaml.errors, ...yaml.warnings];
    for (const error of syntax.slice(0, MAX_SYNTAX_PROBLEMS_PER_DOCUMENT)) this.#add(this.#syntaxFinding(error));
    if (syntax.length > 0) return;
    const { value, findings, complete } = yamlValue(yaml, this.#share);
    for (const finding of findings) this.#add(finding);
    // Nothing but comments, or nothing at all between two separators.
    if (value === null || !complete) return;
    const kind = documentKind(value);
    if (typeof kind !== "string") {
      this.#addAll(yaml, [kind], findings);
      return;
    }
    const judgement = judgeValue(kind, value);
    if ("findings" in judgement) this.#addAll(yaml, judgement.findings, findings);
    else if (findings.length === 0) this.#keep({ ...judgement.data, source: this.#source(yaml) });
  }

  #keep(document: Document): void {
    const name = documentName(document);
    const first = this.#places.get(name);
    const { line, column } = document.source;
    if (first === undefined) {
      this.#places.set(name, { line, column });
      this.#documents.push(deepFreeze(document));
      return;
    }
    const found = `${name} a second time`;
    const message = `duplicate document, ${name} is already in line ${first.line}`;
    const about = { found, expected: "every document once", message };
    this.#problems.push({ code: "duplicate-document", file: this.#fileName, line, column, path: "", ...about });
  }

  /** What the schema says about a value that was already found wrong while reading is not said twice. */
  #addAll(yaml: YamlDocument.Parsed, findings: readonly SchemaFinding[], known: readonly Finding[]): void {
    const reported = new Set(known.map((finding) => formatPath(finding.path)));
    for (const { at, ...finding } of findings) {
      if (reported.has(formatPath(finding.path))) continue;
      const place = placeOf(yaml, finding.path);
      this.#add({ ...finding, offset: at === "key" ? place.keyOffset : place.valueOffset });
    }
  }

  #add({ offset, path, ...finding }: Finding): void {
    this.#problems.push({
      ...finding,
      ...this.#lines.positionOf(offset),
      file: this.#fileName,
      path: formatPath(path),
    });
  }

  #source(yaml: YamlDocument.Parsed): TextSource {
    const [start, , end] = yaml.range;
    const first = this.#lines.positionOf(placeOf(yaml, []).valueOffset);
    return new TextSource(this.#fileName, first, this.#text.slice(start, end), this.#lines.positionOf(start));
  }

  #syntaxFinding(error: YAMLError): Finding {
    const [offset] = error.pos;
    const rest = this.#text.slice(offset, offset + 200).split("\n", 1)[0] ?? "";
    const found = this.#text.slice(offset).trim() === "" ? "the end of the text" : `text ${quote(rest)}`;
    if (error.code === "RESOURCE_EXHAUSTION") {
      return { code: "too-deep", path: [], offset, found, expected: "fewer levels", message: "nested too deeply" };
    }
    const message = `${error.message.slice(0, MAX_MESSAGE_CHARACTERS)}, found ${found}`;
    return { code: "syntax", path: [], offset, found, expected: "valid YAML", message };
  }
}

/** The kind, or what is wrong with it. */
function documentKind(value: unknown): DocumentKind | SchemaFinding {
  if (typeof value !== "object" || Array.isArray(value)) {
    return wrongValue("wrong-type", [], describeValue(value), "a mapping with apiVersion, kind and metadata");
  }
  const { kind } = value as Record<string, unknown>;
  const kinds = Object.keys(DOCUMENT_SCHEMAS) as DocumentKind[];
  const known = kinds.find((candidate) => candidate === kind);
  if (known !== undefined) return known;
  const expected = `one of the kinds ${kinds.join(", ")}`;
  if (kind === undefined) return wrongValue("missing-key", ["kind"], "nothing", expected);
  const suggestion = typeof kind === "string" ? nearMiss(kind, kinds) : undefined;
  return wrongValue("unknown-kind", ["kind"], describeValue(kind), expected, suggestion);
}

/** The first document that is too long to be parsed, or is one too many. `---` at a line's start always begins one. */
function documentTooMuch(text: string): Omit<Problem, "file"> | undefined {
  let start = 0;
  for (let count = 1; start < text.length; count++) {
    const separator = text.indexOf("\n---", start);
    const end = separator === -1 ? text.length : separator + 1;
    if (end - start > MAX_DOCUMENT_CHARACTERS) {
      const expected = `at most ${MAX_DOCUMENT_CHARACTERS} characters in a document`;
      return tooMuch("document-too-large", text, start, `${end - start} characters`, expected);
    }
    if (count > MAX_DOCUMENTS_PER_FILE) {
      const expected = `at most ${MAX_DOCUMENTS_PER_FILE} documents in a file`;
      return tooMuch("file-too-large", text, start, "one more", expected);
    }
    start = end;
  }
  return undefined;
}

function tooMuch(
  code: Problem["code"],
  text: string,
  offset: number,
  found: string,
  expected: string,
): Omit<Problem, "file"> {
  const line = text.slice(0, offset).split("\n").length;
  return { code, line, column: 1, path: "", found, expected, message: `expected ${expected}, found ${found}` };
}

function readable(problems: readonly Problem[]): readonly Problem[] {
  const next = problems[MAX_PROBLEMS_PER_FILE];
  if (next === undefined) return problems;
  const { file, line, column } = next;
  const found = `more than ${MAX_PROBLEMS_PER_FILE} problems`;
  const message = `${found}, the rest of the file was not read`;
  const rest: Problem = { code: "too-many-problems", file, line, column, path: "", found, expected: "none", message };
  return [...problems.slice(0, MAX_PROBLEMS_PER_FILE), rest];
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
