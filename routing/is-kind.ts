/** Picks documents by their kind, with its type. */
import type { Document, DocumentKind } from "../protocol/documents/document.ts";

export function isKind<K extends DocumentKind>(...kinds: readonly K[]) {
  return (document: Document): document is Extract<Document, { readonly kind: K }> =>
    kinds.some((kind) => kind === document.kind);
}
