/**
 * The place of a document in a text file. It keeps only the document's piece of the text, and parses it again when a
 * position is asked for: that happens for problems only, while ten thousand syntax trees would be kept for nothing.
 */
import { parseDocument } from "yaml";
import type { DocumentSource } from "./document.ts";
import { LineIndex } from "./line-index.ts";
import type { Position, ProblemPath } from "./problem.ts";
import { YAML_OPTIONS } from "./yaml-options.ts";
import { placeOf } from "./yaml-position.ts";

export class TextSource implements DocumentSource {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly #text: string;
  readonly #textStart: Position;

  /** `start` is where the document's first key is; `text`, which begins at `textStart`, may have comments before it. */
  constructor(file: string, start: Position, text: string, textStart: Position) {
    this.file = file;
    this.line = start.line;
    this.column = start.column;
    this.#text = text;
    this.#textStart = textStart;
  }

  locate(path: ProblemPath): Position {
    const { valueOffset } = placeOf(parseDocument(this.#text, YAML_OPTIONS), path);
    const { line, column } = new LineIndex(this.#text).positionOf(valueOffset);
    const { line: firstLine, column: firstColumn } = this.#textStart;
    return { line: firstLine + line - 1, column: line === 1 ? firstColumn + column - 1 : column };
  }
}
