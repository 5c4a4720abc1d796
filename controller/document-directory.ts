/**
 * Reads a directory of YAML documents as one state: every `*.yaml` and `*.yml` in it, symbolic links followed (a mounted
 * ConfigMap is made of them), hidden files left out.
 *
 * A file is read and parsed again only when its size, time or inode changed. A file that someone is writing to is not
 * read: the answer is then `unsettled`, and the caller comes back a moment later.
 */
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Stats } from "node:fs";
import { describeError } from "../core/errors.ts";
import type { Document } from "../protocol/documents/document.ts";
import { MAX_FILE_BYTES } from "../protocol/documents/limits.ts";
import { fileTooLarge, parseDocuments } from "../protocol/documents/parse-documents.ts";
import { formatProblem } from "../protocol/documents/problem.ts";
import { limits, timers } from "./limits.ts";

export type DirectoryReading =
  | { readonly state: "unsettled" }
  | { readonly state: "unchanged" }
  | { readonly state: "read"; readonly documents: readonly Document[]; readonly problems: readonly string[] };

interface ReadFile {
  /** Size, times and inode at the time of reading. */
  readonly signature: string;
  readonly bytes: number;
  readonly documents: readonly Document[];
  readonly problems: readonly string[];
}

const DOCUMENT_FILE = /^[^.].*\.ya?ml$/;

export class DocumentDirectory {
  readonly #path: string;
  #files: ReadonlyMap<string, ReadFile> = new Map();
  #readBefore = false;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * `patient`: files that changed within the last moments are left to settle. Rejects when the directory cannot be
   * listed.
   */
  async read(patient: boolean): Promise<DirectoryReading> {
    const names = (await readdir(this.#path)).filter((name) => DOCUMENT_FILE.test(name)).sort();
    const files = new Map<string, ReadFile>();
    const stable = await this.#readFiles(names.slice(0, limits.documentFiles), files, patient);
    if (!stable) return { state: "unsettled" };
    const unchanged = this.#readBefore && sameFiles(this.#files, files);
    this.#files = files;
    this.#readBefore = true;
    if (unchanged) return { state: "unchanged" };
    const all = [...files.values()];
    const problems = [...all.flatMap((file) => file.problems), ...directoryProblems(names.length, all)];
    return { state: "read", documents: all.flatMap((file) => file.documents), problems };
  }

  /** The next reading is reported even if nothing changed. */
  forgetReport(): void {
    this.#readBefore = false;
  }

  async #readFiles(names: readonly string[], into: Map<string, ReadFile>, patient: boolean): Promise<boolean> {
    for (const name of names) {
      const file = await this.#readOne(name, patient);
      if (file === "unsettled") return false;
      if (file !== undefined) into.set(name, file);
    }
    return true;
  }

  /** Undefined: it disappeared meanwhile. */
  async #readOne(name: string, patient: boolean): Promise<ReadFile | "unsettled" | undefined> {
    const path = join(this.#path, name);
    try {
      const facts = await stat(path);
      const before = this.#files.get(name);
      const signature = signatureOf(facts);
      if (before?.signature === signature) return before;
      const refusal = refusalOf(name, facts);
      if (refusal !== undefined) return refused(signature, refusal);
      if (patient && !isSettled(facts, before)) return "unsettled";
      return await readWhole(path, name, signature, patient);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      return refused("unreadable", `${name}:1:1: cannot be read: ${describeError(error)}`);
    }
  }
}

/** Never opened: a FIFO would block, a device would never end, a huge file would fill the memory. */
function refusalOf(name: string, facts: Stats): string | undefined {
  if (!facts.isFile()) return `${name}:1:1: is not a regular file`;
  return facts.size > MAX_FILE_BYTES ? formatProblem(fileTooLarge(name, facts.size)) : undefined;
}

function isSettled(facts: Stats, before: ReadFile | undefined): boolean {
  // Time by the file system's clock and ours: a file from the future (set clocks) counts as settled.
  const ageMs = Date.now() - facts.mtimeMs;
  if (ageMs < 0) return true;
  if (facts.size === 0 && before !== undefined && before.bytes > 0) return ageMs >= timers.emptiedFileMs;
  return ageMs >= timers.settleMs;
}

async function readWhole(
  path: string,
  name: string,
  signature: string,
  patient: boolean,
): Promise<ReadFile | "unsettled"> {
  const file = await open(path, "r");
  try {
    const text = await file.readFile("utf8");
    const after = await file.stat();
    // Impatient: judged as it is; its signature is already an old one, so it will be read again.
    if (patient && signatureOf(after) !== signature) return "unsettled";
    const { documents, problems } = parseDocuments(text, name);
    return { signature, bytes: after.size, documents, problems: problems.map(formatProblem) };
  } finally {
    await file.close();
  }
}

function refused(signature: string, problem: string): ReadFile {
  return { signature, bytes: 0, documents: [], problems: [problem] };
}

function directoryProblems(found: number, files: readonly ReadFile[]): string[] {
  const problems: string[] = [];
  if (found > limits.documentFiles) problems.push(`${found} files, at most ${limits.documentFiles} are read`);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > limits.documentsBytes)
    problems.push(`${bytes} bytes of documents, at most ${limits.documentsBytes} are read`);
  return problems;
}

function signatureOf(facts: Stats): string {
  return `${facts.dev}:${facts.ino}:${facts.size}:${facts.mtimeMs}:${facts.ctimeMs}`;
}

function sameFiles(before: ReadonlyMap<string, ReadFile>, after: ReadonlyMap<string, ReadFile>): boolean {
  if (before.size !== after.size) return false;
  for (const [name, file] of after) if (before.get(name)?.signature !== file.signature) return false;
  return true;
}
