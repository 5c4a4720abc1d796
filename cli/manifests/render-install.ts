/** What `hawser install` prints (pure): the manifests, with what was set. */
import { HawserError } from "../../core/errors.ts";
import { nearMiss } from "../../protocol/documents/near-miss.ts";
import { meshDocumentSchema } from "../../protocol/documents/mesh-document.ts";
import { ManifestSet } from "./manifest-set.ts";
import { MANIFEST_VALUES } from "./manifest-values.ts";
import { type MeshSetting, withMeshSettings } from "./mesh-settings.ts";
import { CONFIG_MAP, MESH_KEY } from "./names.ts";

/** `settings`: `key=value` each, later ones win. Throws HawserError `wrong-setting`. */
export function renderInstall(texts: Iterable<string>, settings: readonly string[]): string {
  const manifests = new ManifestSet(texts);
  const mesh: MeshSetting[] = [];
  for (const [key, value] of settings.map(split)) {
    const known = Object.hasOwn(MANIFEST_VALUES, key) ? MANIFEST_VALUES[key] : undefined;
    if (known === undefined) mesh.push({ path: meshPath(key), value });
    else known.apply(manifests, value);
  }
  if (mesh.length > 0) {
    const configMap = manifests.find("ConfigMap", CONFIG_MAP);
    const text = String(configMap.getIn(["data", MESH_KEY]));
    configMap.setIn(["data", MESH_KEY], configMap.createNode(withMeshSettings(text, mesh)));
  }
  return manifests.toString();
}

function split(setting: string): readonly [string, string] {
  const end = setting.indexOf("=");
  if (end > 0) return [setting.slice(0, end), setting.slice(end + 1)];
  throw new HawserError("wrong-setting", `Cannot set "${setting}", expected key=value`);
}

/** A key that no document could have may be a slip in one of the manifests' values: both are looked at. */
function meshPath(key: string): readonly string[] {
  const path = key.split(".");
  const top = Object.keys(meshDocumentSchema.shape.spec.shape);
  if (top.includes(path[0] ?? "")) return path;
  const suggestion = nearMiss(key, [...Object.keys(MANIFEST_VALUES), ...top]) ?? nearMiss(path[0] ?? "", top);
  const hint = suggestion === undefined ? "see hawser install --help" : `did you mean ${suggestion}`;
  throw new HawserError("wrong-setting", `Cannot set ${key}, there is no such setting: ${hint}`);
}
