/**
 * Manifests as YAML documents that keep their comments, to be changed here and there: what is printed at the end is the
 * files of daemonset/ with just the differences that were asked for.
 */
import { Document, isMap, isSeq, parseAllDocuments, type YAMLMap } from "yaml";
import { HawserError } from "../../core/errors.ts";

export class ManifestSet {
  readonly #documents: Document[];

  constructor(texts: Iterable<string>) {
    this.#documents = [...texts].flatMap((text) => parseAllDocuments(text) as Document[]);
  }

  /** Throws HawserError `no-manifest`: the manifests and this program are not of one version. */
  find(kind: string, name: string): Document {
    const found = this.#documents.find((one) => one.get("kind") === kind && one.getIn(["metadata", "name"]) === name);
    if (found === undefined) throw new HawserError("no-manifest", `There is no ${kind} ${name} among the manifests`);
    return found;
  }

  remove(kind: string, name: string): void {
    this.#documents.splice(this.#documents.indexOf(this.find(kind, name)), 1);
  }

  /** Sets or replaces an environment variable of the only container. */
  setEnvironment(kind: string, name: string, variable: string, value: string): void {
    const environment = this.find(kind, name).getIn([...CONTAINER, "env"]);
    if (!isSeq(environment)) throw new HawserError("no-manifest", `${kind} ${name} has no environment to set`);
    const known = environment.items.find((item): item is YAMLMap => isMap(item) && item.get("name") === variable);
    if (known === undefined) environment.add({ name: variable, value });
    else known.set("value", value);
  }

  setImage(kind: string, name: string, image: string): void {
    this.find(kind, name).setIn([...CONTAINER, "image"], image);
  }

  /** In the order of `kubectl apply`. */
  toString(): string {
    return this.#documents.map((one) => one.toString(PRINTING).replace(/^---\n/, "")).join("---\n");
  }

  /** For `kubectl delete`: the last first, so that agents leave while there is a controller, and the namespace ends it. */
  inDeletionOrder(): string {
    return [...this.#documents]
      .reverse()
      .map((one) => reference(one))
      .join("---\n");
  }

  /** Of every object, in the order of `kubectl apply`. */
  references(): readonly ObjectReference[] {
    return this.#documents.map((one) => ({
      apiVersion: textAt(one, ["apiVersion"]),
      kind: textAt(one, ["kind"]),
      name: textAt(one, ["metadata", "name"]),
      namespace: textAt(one, ["metadata", "namespace"]),
    }));
  }
}

export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Empty: of the cluster. */
  readonly namespace: string;
}

const CONTAINER = ["spec", "template", "spec", "containers", 0] as const;
/** Long lines stay as they are: a fold would be a difference that nobody asked for. */
const PRINTING = { lineWidth: 0, flowCollectionPadding: false } as const;

function textAt(document: Document, path: readonly string[]): string {
  const value = document.getIn(path);
  return typeof value === "string" ? value : "";
}

/** As much of an object as deleting it needs. */
function reference(document: Document): string {
  const namespace = textAt(document, ["metadata", "namespace"]);
  const metadata = { name: textAt(document, ["metadata", "name"]), ...(namespace === "" ? {} : { namespace }) };
  const apiVersion = textAt(document, ["apiVersion"]);
  return new Document({ apiVersion, kind: textAt(document, ["kind"]), metadata }).toString();
}
