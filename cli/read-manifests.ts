/**
 * The manifests as they ship: the files of daemonset/, in the order in which `kubectl apply -f` takes them. Beside the sources,
 * and beside the bundle in the image.
 */
import { readdirSync, readFileSync } from "node:fs";

const DIRECTORY = new URL("../daemonset/", import.meta.url);

/** The text of every file, by its name. */
export function readManifests(): ReadonlyMap<string, string> {
  const names = readdirSync(DIRECTORY).filter((name) => name.endsWith(".yaml"));
  return new Map(names.sort().map((name) => [name, readFileSync(new URL(name, DIRECTORY), "utf8")]));
}
