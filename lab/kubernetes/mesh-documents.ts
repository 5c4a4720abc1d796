/** The documents of a lab's cluster file that are Hawser's own, as a patch of the ConfigMap `hawser` (pure). */
import { stringify } from "yaml";
import type { EncryptionMode } from "../../protocol/table.ts";
import { withEncryption } from "../cluster/with-encryption.ts";

type Document = Readonly<Record<string, unknown>>;

const API_GROUP = "hawser.dev/";
/** The key with the Mesh document, and one of ours for all others. */
const MESH_KEY = "mesh.yaml";
const REST_KEY = "lab.yaml";

/** `encryption`: instead of the Mesh document's. A file without Mesh leaves the ConfigMap's own. */
export function meshDocumentsPatch(documents: readonly Document[], encryption: EncryptionMode | undefined): object {
  const ours = documents.filter((document) => String(document["apiVersion"]).startsWith(API_GROUP));
  const text = (wanted: readonly Document[]): string =>
    wanted.map((document) => stringify(withEncryption(document, encryption))).join("---\n");
  const mesh = ours.filter((document) => document["kind"] === "Mesh");
  const rest = ours.filter((document) => document["kind"] !== "Mesh");
  return {
    data: {
      ...(mesh.length === 0 ? {} : { [MESH_KEY]: text(mesh) }),
      ...(rest.length === 0 ? {} : { [REST_KEY]: text(rest) }),
    },
  };
}
