/**
 * Settings of the Mesh document, put into the text of the ConfigMap where their commented lines are: everything else stays as
 * it is written, and the schema judges the result, with the same words that the controller would have for it.
 */
import { isMap, parse, parseDocument } from "yaml";
import { HawserError } from "../../core/errors.ts";
import { parseDocuments } from "../../protocol/documents/parse-documents.ts";

export interface MeshSetting {
  /** Below `spec`, e.g. `ejection.maxEjection`. */
  readonly path: readonly string[];
  /** YAML in one line: `strict`, `5m`, `[9100, 9200]`. */
  readonly value: string;
}

/** The changed text. Throws HawserError `wrong-setting` with every problem, one per line. */
export function withMeshSettings(text: string, settings: readonly MeshSetting[]): string {
  judge(text, settings);
  const lines = text.split("\n");
  for (const { path, value } of settings) {
    for (let depth = 1; depth < path.length; depth += 1) uncomment(lines, path.slice(0, depth), "");
    uncomment(lines, path, ` ${value}`);
  }
  return lines.join("\n");
}

/** A setting's line, in force or not. Prose has a space after its #. */
const SETTING = /^(?<indent> *)#?(?<key>[A-Za-z]+):(?<rest>.*)$/;

/** Puts a setting in force where its line is; without one the file and the schema are not of one version. */
function uncomment(lines: string[], path: readonly string[], value: string): void {
  const at = lineOf(lines, ["spec", ...path]);
  const { indent = "", key = "" } = SETTING.exec(lines[at] ?? "")?.groups ?? {};
  if (at < 0) throw new HawserError("wrong-setting", `Cannot set ${path.join(".")}, mesh.yaml has no line for it`);
  lines[at] = `${indent}${key}:${value}`;
}

/** -1: there is none. Goes by indentation, like YAML. */
function lineOf(lines: readonly string[], path: readonly string[]): number {
  const above: { readonly key: string; readonly indent: number }[] = [];
  return lines.findIndex((line) => {
    const { indent, key } = SETTING.exec(line)?.groups ?? {};
    if (indent === undefined || key === undefined) return false;
    while ((above.at(-1)?.indent ?? -1) >= indent.length) above.pop();
    above.push({ key, indent: indent.length });
    return above.map((one) => one.key).join(".") === path.join(".");
  });
}

function judge(text: string, settings: readonly MeshSetting[]): void {
  const document = parseDocument(text);
  for (const { path, value } of settings) {
    for (let depth = 1; depth < path.length; depth += 1) {
      const parent = ["spec", ...path.slice(0, depth)];
      if (!isMap(document.getIn(parent))) document.setIn(parent, document.createNode({}));
    }
    document.setIn(["spec", ...path], document.createNode(yamlValue(value, path)));
  }
  const { problems } = parseDocuments(document.toString(), "mesh.yaml");
  if (problems.length === 0) return;
  const lines = problems.map(({ path, message }) => `${path.replace(/^spec\./, "")}: ${message}`);
  throw new HawserError("wrong-setting", `Cannot set that:\n${lines.join("\n")}`);
}

function yamlValue(text: string, path: readonly string[]): unknown {
  try {
    return parse(text) as unknown;
  } catch (cause) {
    throw new HawserError("wrong-setting", `Cannot read the value of ${path.join(".")} as YAML`, { cause });
  }
}
