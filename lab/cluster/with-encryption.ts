/** A Mesh document with another encryption mode than the one it was written with (pure). Others stay as they are. */
import type { EncryptionMode } from "../../protocol/table.ts";

export function withEncryption(
  document: Readonly<Record<string, unknown>>,
  encryption: EncryptionMode | undefined,
): object {
  if (document["kind"] !== "Mesh" || encryption === undefined) return document;
  return { ...document, spec: { ...(document["spec"] as object | undefined), encryption } };
}
