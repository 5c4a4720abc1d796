/** The place of a document that is an object of the API server: its name; there are no lines. */
import type { DocumentKind, DocumentSource } from "../../protocol/documents/document.ts";
import type { Position } from "../../protocol/documents/problem.ts";

export class ObjectSource implements DocumentSource {
  /** No line of a text, see `formatProblem`. */
  readonly line = 0;
  readonly column = 0;
  readonly #kind: DocumentKind;
  readonly #namespace: string | undefined;
  readonly #name: string;

  constructor(kind: DocumentKind, namespace: string | undefined, name: string) {
    this.#kind = kind;
    this.#namespace = namespace;
    this.#name = name;
  }

  /** `Pod shop/catalog-1`. Put together when it is wanted: hardly ever, and for ten thousand pods it would be a MB. */
  get file(): string {
    return this.#namespace === undefined
      ? `${this.#kind} ${this.#name}`
      : `${this.#kind} ${this.#namespace}/${this.#name}`;
  }

  locate(): Position {
    return { line: this.line, column: this.column };
  }
}
