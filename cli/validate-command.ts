/** `hawser validate`: everything that is wrong with documents, at once, for CI. Exit code 1 when something is. */
import type { Command } from "commander";
import { formatProblem, type Problem } from "../protocol/documents/problem.ts";
import { checkDocuments } from "../routing/check-documents.ts";
import { type ReadDocuments, readDocuments } from "./read-documents.ts";

export interface ValidateFlags {
  readonly file: readonly string[];
  readonly json?: boolean;
}

export function addValidateCommand(program: Command): void {
  program
    .command("validate")
    .description("Check documents: all problems at once, with their places. Exit code 1 when there are some.")
    .requiredOption("-f, --file <path...>", "files, or directories of *.yaml")
    .option("--json", "for a program")
    .action((flags: ValidateFlags) => {
      const { text, problems } = validate(flags);
      console.log(text);
      if (problems > 0) process.exitCode = 1;
    });
}

/** The text to print, and how many problems it tells. Throws a HawserError when there is nothing to read. */
export function validate({ file, json = false }: ValidateFlags): { readonly text: string; readonly problems: number } {
  const read = readDocuments(file);
  const checked = checkDocuments(read.documents);
  const problems = [...read.problems, ...checked.problems].sort(byPlace);
  const { statuses } = checked;
  const { files, documents } = read;
  const text = json
    ? JSON.stringify({ files, documents: documents.length, problems, routes: statuses }, null, 2)
    : report(read, problems).join("\n");
  return { text, problems: problems.length };
}

function report({ files, documents }: ReadDocuments, problems: readonly Problem[]): string[] {
  const lines = problems.map(formatProblem);
  const wrong = new Set(problems.map((problem) => problem.file)).size;
  const read = `${count(documents.length, "document")} in ${count(files.length, "file")}`;
  lines.push(
    problems.length === 0 ? `${read}: no problem` : `${count(problems.length, "problem")} in ${count(wrong, "file")}`,
  );
  return lines;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function byPlace(a: Problem, b: Problem): number {
  return a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1;
}
