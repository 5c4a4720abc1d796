import test from "ava";
import { PresenceFile } from "../../../controller/presence-file.ts";

/** A disk whose writes end when the test says so. */
function bench(stored: readonly string[] = []) {
  const saved: string[][] = [];
  const gates: (() => void)[] = [];
  let changes = 0;
  const presence = new PresenceFile({
    loadAgentNodes: async () => new Set(stored),
    saveAgentNodes: (nodes) =>
      new Promise((resolve) => {
        saved.push([...nodes]);
        gates.push(resolve);
      }),
  });
  const started = presence.start(() => void (changes += 1));
  const settle = async (): Promise<void> => {
    while (!presence.isSettled) {
      gates.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { presence, started, saved, settle, changes: () => changes };
}

test("what was stored is known at the start, without a change", async (t) => {
  const { presence, started, changes } = bench(["node-1"]);
  await started;
  t.deepEqual(presence.nodes, new Set(["node-1"]));
  t.true(presence.isSettled);
  t.is(changes(), 0);
});

test("a node counts once it is on disk, and what it has said before costs nothing", async (t) => {
  const { presence, started, saved, settle, changes } = bench();
  await started;
  presence.add("node-1");
  presence.add("node-1");
  t.false(presence.isSettled);
  t.false(presence.nodes.has("node-1"));
  await settle();
  t.true(presence.nodes.has("node-1"));
  presence.add("node-1");
  presence.remove("node-2");
  t.true(presence.isSettled);
  t.deepEqual([saved, changes()], [[["node-1"]], 1]);
});

test("nodes that come while one is written share the next write", async (t) => {
  const { presence, started, saved, settle } = bench();
  await started;
  presence.add("node-0");
  await new Promise((resolve) => setImmediate(resolve));
  for (let number = 1; number < 20; number++) presence.add(`node-${number}`);
  await settle();
  t.is(presence.nodes.size, 20);
  t.is(saved.length, 2);
});

test("a node whose agent left, or that is not in the table any more, is forgotten", async (t) => {
  const { presence, started, settle, changes } = bench(["node-1", "node-2", "node-3"]);
  await started;
  presence.remove("node-1");
  presence.keep(new Set(["node-1", "node-2"]));
  await settle();
  t.deepEqual(presence.nodes, new Set(["node-2"]));
  presence.keep(new Set(["node-2", "node-4"]));
  t.true(presence.isSettled);
  t.is(changes(), 1);
});
