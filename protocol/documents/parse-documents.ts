/**
 * Text of a YAML file -> typed documents, and every problem it has. For the controller's files source, the CLI and CI.
 *
 *   text -> size -> YAML documents, one at a time -> plain values -> kind -> schema -> frozen Document
 *
 * A document with a problem is left out; the others of the file are read all the same. Never throws, whatever the text.
 */
import { Composer, type Document as YamlDocument, LineCounter, Parser, type YAMLError } from "yaml";
import { DOCUMENT_SCHEMAS, type Document, type DocumentKind, documentName } from "./document.ts";
import { MAX_DOCUMENT_CHARACTERS, MAX_FILE_BYTES, MAX_PROBLEMS_PER_FILE } from "./limits.ts";
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

/** After the first few, the parser's complaints about one document follow from each other. */
const MAX_SYNTAX_PROBLEMS_PER_DOCUMENT = 10;

export function parseDocuments(text: string, fileName: string): ParsedDocuments {
  if (text.length > MAX_FILE_BYTES) return { documents: [], problems: [fileTooLarge(fileName, text.length)] };
  const tooLong = documentTooLong(text);
  if (tooLong !== undefined) return { documents: [], problems: [{ file: fileName, ...tooLong }] };
  return new FileReader(text, fileName).read();
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
  readonly #lines = new LineCounter();
  readonly #documents: Document[] = [];
  readonly #problems: Problem[] = [];
  readonly #places = new Map<string, Position>();

  constructor(text: string, fileName: string) {
    this.#text = text;
    this.#fileName = fileName;
  }

  read(): ParsedDocuments {
    const tokens = new Parser(this.#lines.addNewLine).parse(this.#text);
    const composer = new Composer({ ...YAML_OPTIONS, lineCounter: this.#lines });
    for (const yaml of composer.compose(tokens)) this.#readDocument(yaml);
    this.#problems.sort((a, b) => a.line - b.line || a.column - b.column);
    return { documents: this.#documents, problems: readable(this.#problems) };
  }

  #readDocument(yaml: YamlDocument.Parsed): void {
    const syntax = [...yaml.errors, ...yaml.warnings];
    for (const error of syntax.slice(0, MAX_SYNTAX_PROBLEMS_PER_DOCUMENT)) this.#add(this.#syntaxFinding(error));
    if (syntax.length > 0) return;
    const { value, findings, complete } = yamlValue(yaml);
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
    else if (findings.length === 0) this.#keep({ ...judgement.data, source: this.#source(yaml) } as Document);
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
    this.#problems.push({ ...finding, ...this.#position(offset), file: this.#fileName, path: formatPath(path) });
  }

  #position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  #source(yaml: YamlDocument.Parsed): TextSource {
    const [start, , end] = yaml.range;
    const first = this.#position(placeOf(yaml, []).valueOffset);
    return new TextSource(this.#fileName, first, this.#text.slice(start, end), this.#position(start));
  }

  #syntaxFinding(error: YAMLError): Finding {
    const [offset] = error.pos;
    const rest = this.#text.slice(offset, offset + 200).split("\n", 1)[0] ?? "";
    const found = this.#text.slice(offset).trim() === "" ? "the end of the text" : `text ${quote(rest)}`;
    if (error.code === "RESOURCE_EXHAUSTION") {
      return { code: "too-deep", path: [], offset, found, expected: "fewer levels", message: "nested too deeply" };
    }
    return {
      code: "syntax",
      path: [],
      offset,
      found,
      expected: "valid YAML",
      message: `${error.message}, found ${found}`,
    };
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

/** The first document that is too long to be parsed. `---` at a line's start always begins a new document. */
function documentTooLong(text: string): Omit<Problem, "file"> | undefined {
  if (text.length <= MAX_DOCUMENT_CHARACTERS) return undefined;
  let start = 0;
  while (start < text.length) {
    const separator = text.indexOf("\n---", start);
    const end = separator === -1 ? text.length : separator + 1;
    if (end - start > MAX_DOCUMENT_CHARACTERS) {
      const expected = `at most ${MAX_DOCUMENT_CHARACTERS} characters in a document`;
      const found = `${end - start} characters`;
      const line = text.slice(0, start).split("\n").length;
      const message = `expected ${expected}, found ${found}`;
      return { code: "document-too-large", line, column: 1, path: "", found, expected, message };
    }
    start = end;
  }
  return undefined;
}

function readable(problems: readonly Problem[]): readonly Problem[] {
  const [next] = problems.slice(MAX_PROBLEMS_PER_FILE);
  if (next === undefined) return problems;
  const found = `${problems.length} problems`;
  const message = `${problems.length - MAX_PROBLEMS_PER_FILE} more problems follow, repair these first`;
  const { file, line, column } = next;
  const rest: Problem = { code: "too-many-problems", file, line, column, path: "", found, expected: "none", message };
  return [...problems.slice(0, MAX_PROBLEMS_PER_FILE), rest];
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
