/** The two kinds of patches that Hawser sends: merge (RFC 7386), and JSON Patch (RFC 6902) with the operations in use. */
import { isDeepStrictEqual } from "node:util";
import { ApiRefusal } from "./api-store.ts";

export interface PatchOperation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

export function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const isMap = typeof target === "object" && target !== null && !Array.isArray(target);
  const result: Record<string, unknown> = isMap ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

export function jsonPatch(target: unknown, operations: readonly PatchOperation[]): unknown {
  const result = structuredClone(target);
  for (const operation of operations) applyOperation(result, operation);
  return result;
}

function applyOperation(root: unknown, { op, path, value }: PatchOperation): void {
  const keys = path
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = keys.pop() ?? "";
  let parent = root as Record<string, unknown>;
  for (const key of keys) parent = parent[key] as Record<string, unknown>;
  if (typeof parent !== "object" || parent === null) throw invalid(`the path ${path} is not there`);
  if (op === "test" && !isDeepStrictEqual(parent[last], value)) throw invalid(`testing ${path} failed`);
  if (op === "remove" && !(last in parent)) throw invalid(`the path ${path} is not there`);
  if (Array.isArray(parent)) applyToList(parent as unknown[], op, last, value);
  else if (op === "remove") delete parent[last];
  else if (op !== "test") parent[last] = value;
}

function applyToList(list: unknown[], op: string, key: string, value: unknown): void {
  const index = key === "-" ? list.length : Number(key);
  if (op === "add") list.splice(index, 0, value);
  if (op === "replace") list[index] = value;
  if (op === "remove") list.splice(index, 1);
}

function invalid(message: string): ApiRefusal {
  return new ApiRefusal(422, "Invalid", `the server rejected our request due to an error in our request: ${message}`);
}
