/** Where in the text the value at a path of a YAML document is. */
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type Pair } from "yaml";
import type { ProblemPath } from "./problem.ts";

export interface NodePlace {
  /** Start of the value; of its key when it has no text of its own. */
  readonly valueOffset: number;
  /** Start of the key, or of the value when it is in a list or the root. */
  readonly keyOffset: number;
}

/** Of a path that is not there, the place of the nearest value above it. */
export function placeOf(document: Document.Parsed, path: ProblemPath): NodePlace {
  let node: unknown = document.contents;
  let place: NodePlace = { valueOffset: offsetOf(node), keyOffset: offsetOf(node) };
  for (const segment of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = lastPair(node.items, String(segment));
      if (pair === undefined) break;
      node = pair.value;
      const keyOffset = offsetOf(pair.key);
      place = { keyOffset, valueOffset: isNode(node) ? offsetOf(node) : keyOffset };
    } else if (isSeq(node) && typeof segment === "number" && isNode(node.items[segment])) {
      node = node.items[segment];
      place = { valueOffset: offsetOf(node), keyOffset: offsetOf(node) };
    } else break;
  }
  return place;
}

export function offsetOf(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0;
}

/** The last one is the one that counts when a key is repeated. */
function lastPair(pairs: readonly Pair[], key: string): Pair | undefined {
  return pairs.findLast((pair) => isScalar(pair.key) && String(pair.key.value) === key);
}
