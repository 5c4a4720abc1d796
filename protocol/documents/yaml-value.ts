/**
 * From a parsed YAML document to plain values (text, numbers, booleans, null, lists, mappings), on the way judging what
 * YAML allows and a document of ours does not: repeated keys, numbers that cannot be held exactly, aliases that grow
 * beyond bounds or contain themselves, depth without end. Hostile input is expected.
 */
import { type Alias, type Document, isAlias, isMap, isScalar, isSeq, type Node, type Pair, type Scalar } from "yaml";
import { MAX_DEPTH, MAX_VALUES_PER_DOCUMENT } from "./limits.ts";
import { type Finding, type ProblemPath, quote } from "./problem.ts";
import { offsetOf } from "./yaml-position.ts";

export interface YamlValue {
  /** Mappings have no prototype, so that no key has a meaning of its own. */
  readonly value: unknown;
  readonly findings: readonly Finding[];
  /** False: the value was cut short, and judging it further makes no sense. */
  readonly complete: boolean;
}

/** `share` may give an equal text instead of one. */
export function yamlValue(document: Document.Parsed, share: (text: string) => string): YamlValue {
  const reader = new Reader(share);
  const value = reader.read(document.contents, [], 0);
  return { value, findings: reader.findings, complete: reader.complete };
}

/** Reads one document, depth first, in the order of the text: so an anchor is always seen before its aliases. */
class Reader {
  readonly findings: Finding[] = [];
  complete = true;
  readonly #share: (text: string) => string;
  #values = 0;
  readonly #anchors = new Map<string, Node>();
  /** Nodes that are being read, outermost first: an alias to one of them would never end. */
  readonly #open = new Set<Node>();
  /** The outermost alias that is being expanded. */
  #expanding: Alias | undefined;

  constructor(share: (text: string) => string) {
    this.#share = share;
  }

  read(node: unknown, path: ProblemPath, offset: number): unknown {
    if (!this.complete) return null;
    if (isAlias(node)) return this.#readAlias(node, path);
    if (!this.#admit(path, node === null ? offset : offsetOf(node))) return null;
    if (isScalar(node)) return this.#readScalar(node, path);
    if (!isMap(node) && !isSeq(node)) return null;
    this.#remember(node);
    this.#open.add(node);
    const value = isMap(node) ? this.#readMap(node.items, path) : this.#readList(node.items, path);
    this.#open.delete(node);
    return value;
  }

  #admit(path: ProblemPath, offset: number): boolean {
    this.#values += 1;
    if (path.length > MAX_DEPTH) {
      this.#abort("too-deep", path, offset, `more than ${MAX_DEPTH} levels`, `at most ${MAX_DEPTH} levels`);
    } else if (this.#values > MAX_VALUES_PER_DOCUMENT) {
      const found = `more than ${MAX_VALUES_PER_DOCUMENT} values`;
      const expected = `at most ${MAX_VALUES_PER_DOCUMENT} values in a document`;
      if (this.#expanding === undefined) this.#abort("document-too-large", path, offset, found, expected);
      else this.#abort("alias-bomb", path, offsetOf(this.#expanding), `${found} with aliases expanded`, expected);
    }
    return this.complete;
  }

  #abort(code: Finding["code"], path: ProblemPath, offset: number, found: string, expected: string): void {
    this.complete = false;
    const top = path.slice(0, 4);
    this.findings.push({ code, path: top, offset, found, expected, message: `expected ${expected}, found ${found}` });
  }

  #readAlias(alias: Alias, path: ProblemPath): unknown {
    const target = this.#anchors.get(alias.source);
    const offset = offsetOf(alias);
    if (target === undefined) {
      this.#abort("syntax", path, offset, `alias *${alias.source}`, "an anchor of that name before its alias");
      return null;
    }
    if (this.#open.has(target)) {
      this.#abort("alias-bomb", path, offset, `alias *${alias.source} inside its own value`, "a value that ends");
      return null;
    }
    const outermost = this.#expanding === undefined;
    if (outermost) this.#expanding = alias;
    const value = this.read(target, path, offset);
    if (outermost) this.#expanding = undefined;
    return value;
  }

  #readScalar(node: Scalar, path: ProblemPath): unknown {
    this.#remember(node);
    const { value } = node;
    if (typeof value === "string") return this.#share(value);
    if (typeof value !== "number") return value;
    if (Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)) return value;
    const found = `number ${node.source ?? value}`;
    const expected = "a number that can be held exactly";
    const message = `expected ${expected}, found ${found}`;
    this.findings.push({ code: "wrong-value", path, offset: offsetOf(node), found, expected, message });
    return value;
  }

  #readList(items: readonly unknown[], path: ProblemPath): unknown[] {
    const list: unknown[] = [];
    for (const [index, item] of items.entries()) {
      if (!this.complete) break;
      list.push(this.read(item, [...path, index], 0));
    }
    return list;
  }

  #readMap(pairs: readonly Pair[], path: ProblemPath): unknown {
    const map = Object.create(null) as Record<string, unknown>;
    const offsets = new Map<string, number>();
    for (const { key, value } of pairs) {
      if (!this.complete) break;
      const keyOffset = offsetOf(key);
      // The parser refuses every other key (option stringKeys), and then this document is not read.
      if (!isScalar(key) || typeof key.value !== "string") continue;
      const keyPath = [...path, key.value];
      if (offsets.has(key.value)) this.#duplicate(keyPath, key.value, keyOffset);
      offsets.set(key.value, keyOffset);
      map[key.value] = this.read(value, keyPath, keyOffset);
    }
    return map;
  }

  #duplicate(path: ProblemPath, key: string, offset: number): void {
    // The same text read again through an alias is not wrong twice.
    if (this.#expanding !== undefined) return;
    const found = `key ${quote(key)} a second time`;
    const message = "duplicate key, only one of the two can count";
    this.findings.push({ code: "duplicate-key", path, offset, found, expected: "every key once", message });
  }

  #remember(node: Node): void {
    const { anchor } = node as { anchor?: string };
    // Inside an expanded alias every anchor was seen before; it must not replace a later one of the same name.
    if (anchor !== undefined && this.#expanding === undefined) this.#anchors.set(anchor, node);
  }
}
