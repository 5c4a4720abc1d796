/**
 * `<state>/documents`: what the API server would hold, as files the controller watches. Every file is replaced
 * atomically; the new text is written elsewhere on the same file system first, so that a watcher sees only whole files.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { HawserError } from "../../core/errors.ts";

export class DocumentsDirectory {
  readonly path: string;
  readonly #staging: string;

  constructor(stateDir: string) {
    this.path = path.join(stateDir, "documents");
    this.#staging = path.join(stateDir, "documents.staging");
    mkdirSync(this.path, { recursive: true });
    mkdirSync(this.#staging, { recursive: true });
  }

  write(file: string, documents: readonly object[]): void {
    this.writeText(
      file,
      documents.map((document) => stringify(document, { aliasDuplicateObjects: false })).join("---\n"),
    );
  }

  writeText(file: string, text: string): void {
    if (path.basename(file) !== file) throw new HawserError("bad-file", `${file} must be a plain file name`);
    const staged = path.join(this.#staging, file);
    writeFileSync(staged, text);
    renameSync(staged, path.join(this.path, file));
  }

  remove(file: string): void {
    rmSync(path.join(this.path, path.basename(file)), { force: true });
  }
}
