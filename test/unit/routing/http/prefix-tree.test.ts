import test from "ava";
import fc from "fast-check";
import { PrefixTree } from "../../../../routing/http/prefix-tree.ts";
import { hasPrefix } from "../../../../routing/http/request-path.ts";

function found(prefixes: readonly string[], path: string): string[] {
  const tree = new PrefixTree(new Map(prefixes.map((prefix) => [prefix, prefix])));
  const list: string[] = [];
  for (let entry = tree.longest(path); entry !== undefined; entry = entry.shorter) list.push(entry.value);
  return list;
}

test("prefixes of a path are found longest first, by whole segments", (t) => {
  const prefixes = ["", "/shop", "/shop/items", "/shop-admin", "/sh"];
  t.deepEqual(found(prefixes, "/shop/items/7"), ["/shop/items", "/shop", ""]);
  t.deepEqual(found(prefixes, "/shop/item"), ["/shop", ""]);
  t.deepEqual(found(prefixes, "/shop-admin/"), ["/shop-admin", ""]);
  t.deepEqual(found(prefixes, "/other"), [""]);
  t.deepEqual(found([], "/other"), []);
});

test("the tree finds what comparing with each prefix finds", (t) => {
  const prefix = fc
    .array(fc.constantFrom("/", "/a", "/ab", "b", "/é"), { maxLength: 4 })
    .map((parts) => parts.join(""));
  const property = fc.property(fc.uniqueArray(prefix, { maxLength: 12 }), prefix, (prefixes, path) => {
    const expected = prefixes.filter((each) => hasPrefix(path, each)).sort((a, b) => b.length - a.length);
    t.deepEqual(found(prefixes, path), expected);
  });
  fc.assert(property, { numRuns: 3_000 });
});
