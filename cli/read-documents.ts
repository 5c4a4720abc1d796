/** Documents of files and directories, as the controller reads them, with everything that the parser has against them. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { describeError, HawserError } from "../core/errors.ts";
import type { Document } from "../protocol/documents/document.ts";
import { isDocumentFile } from "../protocol/documents/document-file.ts";
import { parseDocuments } from "../protocol/documents/parse-documents.ts";
import type { Problem } from "../protocol/documents/problem.ts";

export interface ReadDocuments {
  readonly files: readonly string[];
  readonly documents: readonly Document[];
  readonly problems: readonly Problem[];
}

/** Of directories the files that are documents, not those of directories in them. Throws `unreadable`, `no-documents`. */
export function readDocuments(paths: readonly string[]): ReadDocuments {
  const files = paths.flatMap(filesOf);
  const parsed = files.map((file) => parseDocuments(readText(file), file));
  return {
    files,
    documents: parsed.flatMap(({ documents }) => documents),
    problems: parsed.flatMap(({ problems }) => problems),
  };
}

function filesOf(given: string): readonly string[] {
  if (!isDirectory(given)) return [given];
  const names = readdirSync(given).filter(isDocumentFile).sort();
  if (names.length > 0) return names.map((name) => path.join(given, name));
  throw new HawserError("no-documents", `There are no documents in ${given}: it has no file *.yaml or *.yml`);
}

function isDirectory(given: string): boolean {
  try {
    return statSync(given).isDirectory();
  } catch (error) {
    throw new HawserError("unreadable", `${given} cannot be read: ${describeError(error)}`);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new HawserError("unreadable", `${file} cannot be read: ${describeError(error)}`);
  }
}
