/**
 * Reads a directory of YAML documents as one state: every `*.yaml` and `*.yml` in it, symbolic links followed (a mounted
 * ConfigMap is made of them), hidden files left out.
 *
 * A file is read and parsed again only when its size, time or inode changed; who knows which files may have changed asks
 * for these alone. A file that someone is writing to is not read: it stays as it was, its name is among the `unsettled`
 * ones, and the caller comes back a moment later.
 */
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Stats } from "node:fs";
import { describeError } from "../core/errors.ts";
import type { Document } from "../protocol/documents/document.ts";
import { isDocumentFile } from "../protocol/documents/document-file.ts";
import { MAX_FILE_BYTES } from "../protocol/documents/limits.ts";
import { fileTooLarge, parseDocuments } from "../protocol/documents/parse-documents.ts";
import { formatProblem } from "../protocol/documents/problem.ts";
import { SharedValues } from "../routing/shared-values.ts";
import { limits, timers } from "./limits.ts";
import type { SourceState } from "./source.ts";

export interface DirectoryReading {
  /** Undefined: the same as before. */
  readonly state: SourceState | undefined;
  /** Files that were not read because someone seems to be writing to them. */
  readonly unsettled: readonly string[];
}

interface ReadFile {
  /** Size, times and inode at the time of reading. */
  readonly signature: string;
  readonly bytes: number;
  readonly documents: readonly Document[];
  readonly problems: readonly string[];
}

/** Files looked at together: as many as Node's thread pool takes at once, several times over. */
const FILES_AT_ONCE = 32;

export class DocumentDirectory {
  readonly #path: string;
  readonly #files = new Map<string, ReadFile>();
  /** Ten thousand pods have a few hundred labels, images and accounts. */
  readonly #shared = new SharedValues();
  #found = 0;
  #readBefore = false;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Looks at every file. `patient`: files that changed within the last moments are left to settle. Rejects when the
   * directory cannot be listed.
   */
  async read(patient: boolean): Promise<DirectoryReading> {
    const names = (await readdir(this.#path)).filter(isDocumentFile).sort();
    this.#found = names.length;
    const wanted = names.slice(0, limits.documentFiles);
    const there = new Set(wanted);
    const gone = [...this.#files.keys()].filter((name) => !there.has(name));
    return await this.#look([...wanted, ...gone], () => patient);
  }

  /** Looks at these files only. `isPatient` says of each whether it is left to settle. Rejects like `read`. */
  async readFiles(names: readonly string[], isPatient: (name: string) => boolean): Promise<DirectoryReading> {
    const reading = await this.#look(names, isPatient);
    // Without its directory, a file is not gone: nothing is known of it.
    await stat(this.#path);
    return reading;
  }

  /** The next reading is reported even if nothing changed. */
  forgetReport(): void {
    this.#readBefore = false;
  }

  async #look(names: readonly string[], isPatient: (name: string) => boolean): Promise<DirectoryReading> {
    const unsettled: string[] = [];
    let changed = !this.#readBefore;
    for (let first = 0; first < names.length; first += FILES_AT_ONCE) {
      const some = names.slice(first, first + FILES_AT_ONCE);
      const files = await Promise.all(some.map((name) => this.#readOne(name, isPatient(name))));
      for (const [index, name] of some.entries()) {
        const file = files[index];
        if (file === "unsettled") unsettled.push(name);
        else if (this.#keep(name, file)) changed = true;
      }
    }
    // At the very first look nothing is known of a file that is not read yet: what is there is not the state.
    if (!changed || (!this.#readBefore && unsettled.length > 0)) return { state: undefined, unsettled };
    this.#readBefore = true;
    return { state: this.#state(), unsettled };
  }

  /** True when it is not what was there. */
  #keep(name: string, file: ReadFile | undefined): boolean {
    const before = this.#files.get(name);
    if (file === undefined) return this.#files.delete(name);
    if (before === undefined && this.#files.size >= limits.documentFiles) {
      this.#found = Math.max(this.#found, this.#files.size + 1);
      return true;
    }
    this.#files.set(name, file);
    return before?.signature !== file.signature;
  }

  #state(): SourceState {
    const documents: Document[] = [];
    const problems: string[] = [];
    let bytes = 0;
    for (const file of this.#files.values()) {
      documents.push(...file.documents);
      problems.push(...file.problems);
      bytes += file.bytes;
    }
    return { documents, problems: [...problems, ...directoryProblems(this.#found, bytes)], judgement: "whole" };
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
      return await this.#readWhole(path, name, signature, patient);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      return refused("unreadable", `${name}:1:1: cannot be read: ${describeError(error)}`);
    }
  }

  async #readWhole(path: string, name: string, signature: string, patient: boolean): Promise<ReadFile | "unsettled"> {
    const file = await open(path, "r");
    try {
      const text = await file.readFile("utf8");
      const after = await file.stat();
      // Impatient: judged as it is; its signature is already an old one, so it will be read again.
      if (patient && signatureOf(after) !== signature) return "unsettled";
      const { documents, problems } = parseDocuments(text, name, (one) => this.#shared.text(one));
      return { signature, bytes: after.size, documents, problems: problems.map(formatProblem) };
    } finally {
      await file.close();
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

function refused(signature: string, problem: string): ReadFile {
  return { signature, bytes: 0, documents: [], problems: [problem] };
}

function directoryProblems(found: number, bytes: number): string[] {
  const problems: string[] = [];
  if (found > limits.documentFiles) problems.push(`${found} files, at most ${limits.documentFiles} are read`);
  if (bytes > limits.documentsBytes)
    problems.push(`${bytes} bytes of documents, at most ${limits.documentsBytes} are read`);
  return problems;
}

function signatureOf(facts: Stats): string {
  return `${facts.dev}:${facts.ino}:${facts.size}:${facts.mtimeMs}:${facts.ctimeMs}`;
}
