/**
 * The documents in the ConfigMap `hawser`: Mesh, TrafficPolicy, RequestMatch and Subset, in the texts of its `*.yaml` keys.
 * They were written by one person at one time, and are judged as a whole: with one problem nothing of them comes into force, and the last good
 * ones stay.
 *
 *   at the start   good              -> in force
 *                  bad               -> the stored last good ones; without them nothing: no state is given (undefined)
 *                  not there         -> the stored last good ones; without them the defaults
 *   later          good              -> in force, and to be stored
 *                  bad, not there    -> what is in force stays
 *
 * Every case but "good" is a problem that is told.
 */
import { type Document, documentName } from "../../protocol/documents/document.ts";
import { parseDocuments, type ParsedDocuments } from "../../protocol/documents/parse-documents.ts";
import { formatProblem } from "../../protocol/documents/problem.ts";
import { isDocumentFile } from "../../protocol/documents/document-file.ts";
import { limits } from "./limits.ts";

/** Key of the ConfigMap -> text. */
export type SettingTexts = Readonly<Record<string, string>>;

export interface SettingsInForce {
  readonly documents: readonly Document[];
  /** Why these are not what the ConfigMap says. */
  readonly problems: readonly string[];
}

/** Everything else in a cluster comes from the objects of its API server. */
const ALLOWED_KINDS: ReadonlySet<string> = new Set(["Mesh", "TrafficPolicy", "RequestMatch", "Subset"]);

const NOTHING_STORED = "and no good ones were stored: nothing comes into force until it is repaired";

export class MeshSettings {
  /** For people: `ConfigMap hawser-system/hawser`. */
  readonly #place: string;
  readonly #parsed = new Map<string, { readonly text: string; readonly result: ParsedDocuments }>();
  #documents: readonly Document[] | undefined;
  #goodTexts: SettingTexts | undefined;
  #problems: readonly string[] = [];

  constructor(place: string) {
    this.#place = place;
  }

  /** Undefined: there is nothing that could be in force without changing the mesh behind its operator's back. */
  get current(): SettingsInForce | undefined {
    return this.#documents === undefined ? undefined : { documents: this.#documents, problems: this.#problems };
  }

  /** Of what the ConfigMap says now; empty when it is in force. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** What is in force, when it came from the ConfigMap: it is worth being stored. */
  get goodTexts(): SettingTexts | undefined {
    return this.#goodTexts;
  }

  /** Whether the ConfigMap alone says what is to be in force, so that nobody need look for what was stored. */
  isGood(texts: SettingTexts | undefined): boolean {
    return texts !== undefined && this.#judge(texts).problems.length === 0;
  }

  /** Once, before the first state. `stored`: the last good texts, if the ConfigMap is not good itself. */
  open(texts: SettingTexts | undefined, stored: SettingTexts | undefined): void {
    const last = stored === undefined ? undefined : this.#judge(stored);
    if (last !== undefined && last.problems.length === 0) this.#documents = last.documents;
    // A cluster without the ConfigMap is one that has all defaults, unless it is known to have had others.
    else if (texts === undefined) this.#documents = [];
    this.change(texts);
  }

  change(texts: SettingTexts | undefined): void {
    if (texts === undefined) {
      this.#problems = [this.#missing()];
      return;
    }
    const { documents, problems } = this.#judge(texts);
    if (problems.length > 0) {
      this.#problems =
        this.#documents === undefined ? [...problems, `${this.#place} has problems, ${NOTHING_STORED}`] : problems;
      return;
    }
    this.#documents = documents;
    this.#goodTexts = texts;
    this.#problems = [];
  }

  #missing(): string {
    const what =
      this.#documents === undefined || this.#documents.length === 0 ? "defaults are" : "last good documents are";
    return `${this.#place} is not there, the ${what} in force`;
  }

  #judge(texts: SettingTexts): { documents: readonly Document[]; problems: readonly string[] } {
    const documents: Document[] = [];
    const problems: string[] = [];
    const places = new Map<string, string>();
    for (const key of Object.keys(texts).filter(isDocumentFile).sort()) {
      const parsed = this.#parse(key, texts[key] ?? "");
      problems.push(...parsed.problems.map(formatProblem));
      for (const document of parsed.documents) {
        const problem = refusalOf(document, places);
        if (problem === undefined) documents.push(document);
        else problems.push(problem);
      }
    }
    return { documents, problems: bounded(problems) };
  }

  /** An unchanged text gives the same documents, not only equal ones. */
  #parse(key: string, text: string): ParsedDocuments {
    const before = this.#parsed.get(key);
    if (before?.text === text) return before.result;
    const result = parseDocuments(text, key);
    // Only what is good is worth being met again.
    if (result.problems.length === 0) this.#parsed.set(key, { text, result });
    return result;
  }
}

function refusalOf(document: Document, places: Map<string, string>): string | undefined {
  const { file, line, column } = document.source;
  const place = `${file}:${line}:${column}`;
  if (!ALLOWED_KINDS.has(document.kind)) {
    return `${place} kind: expected one of ${[...ALLOWED_KINDS].join(", ")}, found ${document.kind}, which comes from the cluster's own objects`;
  }
  // There is one mesh, whatever it is called.
  const name = document.kind === "Mesh" ? "Mesh" : documentName(document);
  const first = places.get(name);
  if (first !== undefined) return `${place}: duplicate document, ${name} is already in ${first}`;
  places.set(name, place);
  return undefined;
}

function bounded(problems: readonly string[]): readonly string[] {
  if (problems.length <= limits.problems) return problems;
  return [...problems.slice(0, limits.problems), `and ${problems.length - limits.problems} more`];
}
