import test from "ava";
import type { SetDefinition } from "../../../../agent/netfilter/desired-rules.ts";
import { MAX_SET_ENTRIES } from "../../../../agent/netfilter/limits.ts";
import { parseSets, renderSetChanges, setOptions } from "../../../../agent/netfilter/render-ipset.ts";

function set(name: string, ...entries: readonly string[]): SetDefinition {
  return { name, type: "hash:ip", family: 4, meaning: "", entries: new Set(entries) };
}

function known(...sets: readonly SetDefinition[]) {
  return new Map(sets.map((one) => [one.name, { ...one, options: setOptions(one) }]));
}

test("missing sets are created and filled", (t) => {
  t.is(
    renderSetChanges(new Map(), [set("hawser-local4", "10.0.0.1")]),
    `create hawser-local4 hash:ip family inet maxelem ${MAX_SET_ENTRIES}\nadd hawser-local4 10.0.0.1\n`,
  );
});

test("equal sets need nothing", (t) => {
  t.is(renderSetChanges(known(set("hawser-a4", "1.1.1.1")), [set("hawser-a4", "1.1.1.1")]), "");
});

test("an address that moves from one set to another is never in none", (t) => {
  const before = known(set("hawser-a4", "1.1.1.1"), set("hawser-b4"));
  const lines = renderSetChanges(before, [set("hawser-a4"), set("hawser-b4", "1.1.1.1")]);
  t.is(lines, "add hawser-b4 1.1.1.1\ndel hawser-a4 1.1.1.1\n");
});

test("a set of another size is replaced by a swap", (t) => {
  const save =
    "create hawser-a4 hash:ip family inet hashsize 64 maxelem 65536 bucketsize 12 initval 0x1\nadd hawser-a4 1.1.1.1\n";
  t.deepEqual(
    renderSetChanges(parseSets(save), [set("hawser-a4", "2.2.2.2")])
      .trim()
      .split("\n"),
    [
      `create hawser-a4-new hash:ip family inet maxelem ${MAX_SET_ENTRIES}`,
      "add hawser-a4-new 2.2.2.2",
      "swap hawser-a4-new hawser-a4",
      "destroy hawser-a4-new",
    ],
  );
});

test("what ipset saved is read back as it was written, foreign sets left out", (t) => {
  const wanted = set("hawser-a4", "1.1.1.1");
  const save = `create foreign hash:ip family inet\nadd foreign 9.9.9.9\ncreate hawser-a4 hash:ip family inet hashsize 1024 maxelem ${MAX_SET_ENTRIES} bucketsize 12 initval 0x1\nadd hawser-a4 1.1.1.1\n`;
  t.deepEqual([...parseSets(save).keys()], ["hawser-a4"]);
  t.is(renderSetChanges(parseSets(save), [wanted]), "");
});

test("a set beyond its limit is an error with its own code", (t) => {
  const entries = { size: MAX_SET_ENTRIES + 1 } as unknown as ReadonlySet<string>;
  const wanted: SetDefinition = { ...set("hawser-a4"), entries };
  t.throws(() => renderSetChanges(new Map(), [wanted]), { code: "set-too-large" });
});
