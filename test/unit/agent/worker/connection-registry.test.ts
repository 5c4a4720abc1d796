/** When a drain may end. */
import test from "ava";
import { timers } from "../../../../agent/limits.ts";
import { ConnectionRegistry, type LiveConnection } from "../../../../agent/worker/connection-registry.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { keptBytes } from "../../../support/kept-bytes.ts";

function connection(): LiveConnection {
  return { heldBytes: 0, sweep: () => {}, abort: () => {} };
}

test("a connection that is handed from one owner to the next is not gone", async (t) => {
  const registry = new ConnectionRegistry({ clock: new FakeClock(), onLimit: () => {} });
  const [detecting, serving] = [connection(), connection()];
  registry.add(detecting, "10.244.1.2");
  let isEmpty = false;
  const emptied = registry.empty().then(() => (isEmpty = true));
  registry.remove(detecting);
  registry.add(serving, "10.244.1.2");
  await new Promise(setImmediate);
  t.false(isEmpty);
  registry.remove(serving);
  await emptied;
  t.is(registry.size, 0);
});

test("knows who is there, whoever leaves, and counts each against its source", (t) => {
  const hits: string[] = [];
  const registry = new ConnectionRegistry({ clock: new FakeClock(), onLimit: (name) => hits.push(name) });
  const ended: number[] = [];
  const live = [0, 1, 2, 3].map((index) => ({ ...connection(), abort: () => ended.push(index) }));
  for (const each of live) registry.add(each, "10.244.1.2");
  const [first, second] = live as unknown as [LiveConnection, LiveConnection];
  registry.remove(second);
  registry.remove(second);
  registry.remove(first);
  t.is(registry.size, 2);
  registry.abortAll("drain-deadline");
  t.deepEqual(ended, [2, 3]);
  registry.add(first, undefined);
  registry.remove(first);
  t.is(registry.size, 2);
  t.true(registry.admits("10.244.1.2"));
  t.deepEqual(hits, []);
});

test("a sweep sees every connection once, though some end meanwhile", (t) => {
  const clock = new FakeClock();
  const registry = new ConnectionRegistry({ clock, onLimit: () => {} });
  const swept: number[] = [];
  const live: LiveConnection[] = [0, 1, 2, 3, 4].map((index) => {
    const sweep = (): void => {
      swept.push(index);
      if (index % 2 === 0) registry.remove(live[index] as LiveConnection);
    };
    return { ...connection(), heldBytes: 10, sweep };
  });
  for (const each of live) registry.add(each, undefined);
  registry.start();
  clock.advance(timers.sweepMs);
  t.deepEqual(swept, [4, 3, 2, 1, 0]);
  t.is(registry.heldBytes, 50);
  t.is(registry.size, 2);
  registry.close();
});

test("keeps nothing of connections that came and went", (t) => {
  const registry = new ConnectionRegistry({ clock: new FakeClock(), onLimit: () => {} });
  const open: LiveConnection[] = [];
  const come = (count: number): void => {
    for (let left = count; left > 0; left -= 1) {
      const large = { ...connection(), numbers: Array.from({ length: 1_000 }, Math.random) };
      registry.add(large, "10.244.1.2");
      open.push(large);
      if (open.length > 16) registry.remove(open.shift() as LiveConnection);
    }
  };
  come(100);
  const kept = keptBytes(() => come(2_000));
  t.true(kept < 2_000_000, `${kept} bytes are kept of 16 MB`);
});
