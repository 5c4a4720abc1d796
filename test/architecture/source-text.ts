/** Reads TypeScript source as far as the tests of the architecture need it: comments and import statements. */

export interface ImportStatement {
  /** 1 for the first line. */
  readonly line: number;
  readonly specifier: string;
  /** `import type ...`: vanishes when types are stripped. `import { type A }` does not, the file is still loaded. */
  readonly typeOnly: boolean;
}

// One of: a comment (group 1 stays undefined), or a string, template or regular expression literal that may contain
// what looks like a comment. Templates are taken whole; nested backticks are rare enough not to matter here.
const COMMENT_OR_LITERAL =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<=[=(,:[!&|?{;\n]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/)/g;

/** The text with each comment replaced by as many line breaks as it had. */
export function withoutComments(text: string): string {
  return text.replaceAll(COMMENT_OR_LITERAL, (match, literal: string | undefined) =>
    literal === undefined ? match.replaceAll(/[^\n]/g, "") : match,
  );
}

const STATIC_IMPORT = /^[ \t]*(?:import|export)\s+(type\s+)?(?:[\w$*\s,{}]+?\s+from\s+)?["']([^"'\n]+)["']/gm;
const DYNAMIC_IMPORT = /\bimport\s*\(\s*["']([^"'\n]+)["']/g;
const WORKER_URL = /\bnew\s+URL\s*\(\s*["'](\.[^"'\n]+\.ts)["']\s*,\s*import\.meta\.url/g;

/** Static imports, re-exports, dynamic imports, and files named by `new URL("./x.ts", import.meta.url)`. */
export function findImports(text: string): ImportStatement[] {
  const code = withoutComments(text);
  const found: ImportStatement[] = [];
  for (const match of code.matchAll(STATIC_IMPORT)) {
    const [, type, specifier = ""] = match;
    found.push({ line: lineOf(code, match.index), specifier, typeOnly: type !== undefined });
  }
  for (const pattern of [DYNAMIC_IMPORT, WORKER_URL]) {
    for (const match of code.matchAll(pattern)) {
      found.push({ line: lineOf(code, match.index), specifier: match[1] ?? "", typeOnly: false });
    }
  }
  return found;
}

function lineOf(text: string, index: number): number {
  // The match may begin with the line breaks before the statement.
  const start = index + (/^\s*/.exec(text.slice(index))?.[0].length ?? 0);
  return text.slice(0, start).split("\n").length;
}
