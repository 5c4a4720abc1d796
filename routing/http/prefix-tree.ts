/**
 * Path prefixes, found by walking a request's path once: no text is cut out and nothing is allocated.
 *
 *   /shop -+- /items          of "/shop/items/7": first /shop/items, then by `shorter` /shop, then "" (every path)
 *          +- -admin
 *
 * A radix tree: every node has the text that leads to it from its parent, and the children's texts begin differently.
 */

/** One prefix that holds. The next shorter one that then holds too is known beforehand: it is one of whole segments. */
export interface PrefixEntry<T> {
  readonly prefix: string;
  readonly value: T;
  readonly shorter: PrefixEntry<T> | undefined;
}

interface Node<T> {
  text: string;
  entry: PrefixEntry<T> | undefined;
  readonly children: Map<number, Node<T>>;
}

const SLASH = "/".charCodeAt(0);

export class PrefixTree<T> {
  readonly #root: Node<T> = { text: "", entry: undefined, children: new Map() };

  /** Prefixes are normalized, and each is there once. */
  constructor(values: ReadonlyMap<string, T>) {
    // Shorter ones first, so that each finds the next shorter one in the tree.
    for (const [prefix, value] of [...values].sort(([a], [b]) => a.length - b.length)) {
      this.#insert(prefix, { prefix, value, shorter: this.longest(prefix) });
    }
  }

  longest(path: string): PrefixEntry<T> | undefined {
    let node = this.#root;
    let found = node.entry;
    for (let at = 0; ; ) {
      const child = node.children.get(path.charCodeAt(at));
      if (child === undefined || !path.startsWith(child.text, at)) return found;
      at += child.text.length;
      node = child;
      if (child.entry !== undefined && (at === path.length || path.charCodeAt(at) === SLASH)) found = child.entry;
    }
  }

  #insert(prefix: string, entry: PrefixEntry<T>): void {
    let node = this.#root;
    let rest = prefix;
    while (rest !== "") {
      const key = rest.charCodeAt(0);
      const child = node.children.get(key);
      const common = child === undefined ? 0 : commonLength(child.text, rest);
      if (child === undefined) {
        const leaf: Node<T> = { text: rest, entry: undefined, children: new Map() };
        node.children.set(key, leaf);
        node = leaf;
        break;
      }
      node = common === child.text.length ? child : split(node, child, common);
      rest = rest.slice(common);
    }
    node.entry = entry;
  }
}

/** Puts a node for the first `length` characters between the two. */
function split<T>(parent: Node<T>, child: Node<T>, length: number): Node<T> {
  const middle: Node<T> = { text: child.text.slice(0, length), entry: undefined, children: new Map() };
  parent.children.set(child.text.charCodeAt(0), middle);
  child.text = child.text.slice(length);
  middle.children.set(child.text.charCodeAt(0), child);
  return middle;
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a.charCodeAt(length) === b.charCodeAt(length)) length += 1;
  return length;
}
