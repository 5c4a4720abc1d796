import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import type { ExecutionContext } from "ava";
import fc from "fast-check";
import { KubeError, noAnswer } from "../../../kubernetes/kube-client.ts";
import { Reflector } from "../../../kubernetes/reflector.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLog } from "../../support/recording-log.ts";
import type { ApiObject } from "../../support/api-store.ts";
import { StoreKubeClient } from "../../support/store-kube-client.ts";

interface Value {
  readonly n: number;
}

class ReflectorWorld {
  readonly api = new StoreKubeClient("things");
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly changes: string[] = [];
  readonly stale: string[] = [];
  readonly limitHits: string[] = [];
  readonly reflector: Reflector<ApiObject, Value>;

  constructor(t: ExecutionContext, optional = false) {
    this.reflector = new Reflector<ApiObject, Value>({
      client: this.api,
      path: "/apis/test/v1/things",
      optional,
      reduce: (object) => {
        const { n } = object["spec"] as { n: number };
        return n < 0 ? undefined : { n };
      },
      onChange: (key, value) => this.changes.push(value === undefined ? `-${key}` : `${key}=${value.n}`),
      metrics: {
        staleEvent: (resource) => this.stale.push(resource),
        limitHit: (limit) => this.limitHits.push(limit),
      },
      clock: this.clock,
      random: () => 0.5,
      log: this.log,
    });
    t.teardown(() => this.reflector.close());
  }

  async start(): Promise<void> {
    this.reflector.start();
    await this.settle();
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) await turn();
  }

  async pass(ms: number): Promise<void> {
    await this.settle();
    this.clock.advance(ms);
    await this.settle();
  }

  get contents(): Record<string, number> {
    return Object.fromEntries([...this.reflector.entries()].map(([key, { n }]) => [key, n]));
  }

  get serverContents(): Record<string, number> {
    const things = this.api.store.list("things", undefined).map((object) => {
      const { n } = object["spec"] as { n: number };
      return [`ns/${object.metadata.name}`, n] as const;
    });
    return Object.fromEntries(things.filter(([, n]) => n >= 0));
  }

  takeChanges(): string[] {
    return this.changes.splice(0);
  }
}

test("what is there is listed, in pages, and then followed", async (t) => {
  const world = new ReflectorWorld(t);
  world.api.pageObjects = 2;
  for (let n = 0; n < 5; n++) world.api.put(`t${n}`, { n });
  t.false(world.reflector.isSynced);
  await world.start();
  await world.reflector.synced;
  t.deepEqual(world.contents, { "ns/t0": 0, "ns/t1": 1, "ns/t2": 2, "ns/t3": 3, "ns/t4": 4 });
  world.takeChanges();
  world.api.put("t5", { n: 5 });
  world.api.put("t0", { n: 10 });
  world.api.remove("t1");
  t.deepEqual(world.takeChanges(), ["ns/t5=5", "ns/t0=10", "-ns/t1"]);
  t.is(world.reflector.state, "watching");
});

test("a value that is equal stays the same object, and is no change", async (t) => {
  const world = new ReflectorWorld(t);
  world.api.put("t", { n: 1 });
  await world.start();
  const before = world.reflector.get("ns/t");
  world.takeChanges();
  world.api.put("t", { n: 1, other: "field" });
  world.api.compact();
  world.api.endWatches(new KubeError("gone", 410, "Expired"));
  await world.settle();
  t.is(world.api.lists, 2);
  t.is(world.reflector.get("ns/t"), before);
  t.deepEqual(world.takeChanges(), []);
});

test("an object of which nothing is to be kept leaves, and comes back", async (t) => {
  const world = new ReflectorWorld(t);
  world.api.put("t", { n: 1 });
  await world.start();
  world.api.put("t", { n: -1 });
  world.api.put("t", { n: 2 });
  t.deepEqual(world.takeChanges(), ["ns/t=1", "-ns/t", "ns/t=2"]);
});

test("a watch that is cut goes on from the last version, without a list", async (t) => {
  const world = new ReflectorWorld(t);
  await world.start();
  world.api.put("a", { n: 1 });
  const version = String(world.api.store.version);
  world.api.endWatches(noAnswer("Unreachable", "cut"));
  world.api.put("b", { n: 2 });
  await world.pass(1_000);
  t.deepEqual(world.contents, { "ns/a": 1, "ns/b": 2 });
  t.is(world.api.lists, 1);
  t.is(world.api.watchesFrom.at(-1), version);
});

test("a bookmark moves the version on, so that a long quiet watch does not become too old", async (t) => {
  const world = new ReflectorWorld(t);
  world.api.put("a", { n: 1 });
  await world.start();
  world.api.store.passTime(100);
  world.api.bookmark();
  world.api.compact();
  await world.pass(60_000);
  world.api.endWatches();
  await world.settle();
  t.is(world.api.lists, 1);
  t.is(world.api.watchesFrom.at(-1), String(world.api.store.version));
});

test("410 as a status or as an event is a new list, and only what really changed is told", async (t) => {
  const world = new ReflectorWorld(t);
  for (const name of ["a", "b", "c"]) world.api.put(name, { n: 1 });
  await world.start();
  world.takeChanges();
  world.api.isSilent = true;
  world.api.remove("a");
  world.api.put("b", { n: 2 });
  world.api.put("d", { n: 4 });
  world.api.compact();
  world.api.isSilent = false;
  const status = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" };
  world.api.send({ type: "ERROR", object: status });
  await world.settle();
  t.deepEqual(world.takeChanges().sort(), ["-ns/a", "ns/b=2", "ns/d=4"]);
  world.api.put("d", { n: 5 });
  t.deepEqual(world.takeChanges(), ["ns/d=5"]);
});

test("until a new list has succeeded the old contents stay", async (t) => {
  const world = new ReflectorWorld(t);
  for (const name of ["a", "b", "c", "d"]) world.api.put(name, { n: 1 });
  await world.start();
  const before = world.contents;
  world.takeChanges();
  world.api.pageObjects = 2;
  world.api.failures = 7;
  world.api.endWatches(new KubeError("gone", 410, "Expired"));
  for (let i = 0; i < 5; i++) {
    await world.pass(20_000);
    t.deepEqual(world.contents, before);
  }
  t.deepEqual(world.takeChanges(), []);
  await world.pass(60_000);
  await world.pass(60_000);
  t.is(world.reflector.state, "watching");
  t.deepEqual(world.takeChanges(), []);
});

test("an API server that says 410 to every watch is not asked as fast as it answers", async (t) => {
  const world = new ReflectorWorld(t);
  world.api.put("a", { n: 1 });
  world.api.watch = () => Promise.reject(new KubeError("gone", 410, "Expired"));
  await world.start();
  for (let second = 0; second < 60; second++) await world.pass(1_000);
  t.true(world.api.lists <= 15, `${world.api.lists} lists in a minute`);
  t.deepEqual(world.contents, { "ns/a": 1 });
});

test("a watch that ends at once, again and again, is not asked as fast as it answers", async (t) => {
  const world = new ReflectorWorld(t);
  let watches = 0;
  world.api.watch = () => {
    watches += 1;
    return Promise.resolve();
  };
  await world.start();
  for (let second = 0; second < 60; second++) await world.pass(1_000);
  t.true(watches > 3 && watches <= 15, `${watches} watches in a minute`);
});

test("a watch that is forbidden is told, and is not mended by listing again", async (t) => {
  const world = new ReflectorWorld(t);
  world.api.watch = () => Promise.reject(new KubeError("may not watch", 403, "Forbidden"));
  await world.start();
  for (let i = 0; i < 20; i++) await world.pass(30_000);
  t.is(world.api.lists, 1);
  t.regex(world.log.text, /may not watch/);
});

test("the same event twice is taken once; one from before makes a new list", async (t) => {
  const world = new ReflectorWorld(t);
  world.api.put("a", { n: 1 });
  await world.start();
  world.api.put("a", { n: 2 });
  world.api.repeat(1);
  t.is(world.stale.length, 1);
  world.api.put("a", { n: 3 });
  world.takeChanges();
  world.api.repeat(2);
  await world.pass(1_000);
  t.deepEqual(world.contents, { "ns/a": 3 });
  t.deepEqual(world.takeChanges(), []);
  t.is(world.api.lists, 2);
});

test("a list that becomes too old in its middle is begun again, and comes without pages in the end", async (t) => {
  const world = new ReflectorWorld(t);
  for (let n = 0; n < 6; n++) world.api.put(`t${n}`, { n });
  world.api.pageObjects = 2;
  world.api.betweenPages = () => world.api.compact();
  await world.start();
  for (let i = 0; i < 4; i++) await world.pass(15_000);
  t.is(world.reflector.size, 6);
  t.is(world.api.lists, 4);
});

test("an answer that is too large is asked for in smaller pages", async (t) => {
  const world = new ReflectorWorld(t);
  const asked: unknown[] = [];
  const { api } = world;
  const get = api.get.bind(api);
  api.get = async (path, query) => {
    asked.push(query?.["limit"]);
    if (Number(query?.["limit"]) > 30) throw noAnswer("TooMuch", "too large");
    return await get(path, query);
  };
  await world.start();
  t.deepEqual(asked, [100, 50, 25]);
  t.true(world.reflector.isSynced);
});

test("a resource that is not installed is empty, and found when it is", async (t) => {
  const world = new ReflectorWorld(t, true);
  world.api.isInstalled = false;
  await world.start();
  await world.reflector.synced;
  t.is(world.reflector.state, "absent");
  t.deepEqual(world.log.lines, []);
  world.api.isInstalled = true;
  world.api.put("a", { n: 1 });
  await world.pass(15_000);
  t.deepEqual(world.contents, { "ns/a": 1 });
});

test("a resource that is removed is empty only when it is gone for longer than an API server needs to start", async (t) => {
  const world = new ReflectorWorld(t, true);
  world.api.put("a", { n: 1 });
  await world.start();
  world.api.isInstalled = false;
  world.api.endWatches();
  await world.pass(1_000);
  await world.pass(1_000);
  t.deepEqual(world.contents, { "ns/a": 1 });
  await world.pass(15_000);
  t.deepEqual(world.contents, {});
});

test("a resource of Kubernetes itself that is not found is an error, and changes nothing", async (t) => {
  const world = new ReflectorWorld(t);
  world.api.put("a", { n: 1 });
  await world.start();
  world.api.isInstalled = false;
  world.api.endWatches();
  for (let i = 0; i < 10; i++) await world.pass(15_000);
  t.deepEqual(world.contents, { "ns/a": 1 });
  t.is(world.log.lines.filter(({ level }) => level === "warn").length, 1);
});

test("an outage is told once, and not at all when it was a moment", async (t) => {
  const world = new ReflectorWorld(t);
  await world.start();
  world.api.endWatches(noAnswer("Unreachable", "cut"));
  await world.pass(1_000);
  t.deepEqual(world.log.lines, []);
  world.api.failures = 8;
  world.api.endWatches(noAnswer("Unreachable", "cut"));
  for (let i = 0; i < 10; i++) await world.pass(15_000);
  t.is(world.log.lines.length, 1);
  t.is(world.api.openWatches, 1);
  t.is(world.api.lists, 1);
});

test("an event without a version, or an object without a name, ends the watch and nothing else", async (t) => {
  const world = new ReflectorWorld(t);
  world.api.put("a", { n: 1 });
  await world.start();
  world.api.send({ type: "ADDED", object: { metadata: { name: "x" }, spec: { n: 1 } } });
  await world.pass(1_000);
  world.api.send({ type: "ADDED", object: {} });
  await world.pass(1_000);
  t.deepEqual(world.contents, { "ns/a": 1 });
  world.api.put("b", { n: 2 });
  t.deepEqual(world.contents, { "ns/a": 1, "ns/b": 2 });
});

test("after close nothing is told", async (t) => {
  const world = new ReflectorWorld(t);
  await world.start();
  await world.reflector.close();
  world.api.put("a", { n: 1 });
  t.deepEqual(world.takeChanges(), []);
  t.is(world.reflector.state, "stopped");
  t.is(world.api.openWatches, 0);
  t.is(world.clock.pendingTimers, 0);
});

type Step =
  | { readonly do: "put"; readonly name: string; readonly n: number }
  | { readonly do: "remove"; readonly name: string }
  | { readonly do: "compact" }
  | { readonly do: "cut" }
  | { readonly do: "end" }
  | { readonly do: "bookmark" }
  | { readonly do: "silence" }
  | { readonly do: "speak" }
  | { readonly do: "repeat"; readonly count: number }
  | { readonly do: "fail"; readonly count: number }
  | { readonly do: "gone"; readonly asEvent: boolean }
  | { readonly do: "pass"; readonly ms: number };

const name = fc.constantFrom("a", "b", "c", "d", "e", "f");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("put" as const), name, n: fc.integer({ min: -1, max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("remove" as const), name }) },
  fc.record({ do: fc.constantFrom("compact", "cut", "end", "bookmark", "silence", "speak") as fc.Arbitrary<"cut"> }),
  fc.record({ do: fc.constantFrom("repeat", "fail") as fc.Arbitrary<"fail">, count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant("gone" as const), asEvent: fc.boolean() }),
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 20_000 }) }) },
);

test("whatever happens on the way, in the end the mirror is what the server has, and nothing left it that was not removed", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 4 }), async (steps, pageObjects) => {
      const world = new ReflectorWorld(t);
      world.api.pageObjects = pageObjects;
      world.api.put("never-removed", { n: 7 });
      await world.start();
      for (const one of steps) await play(world, one);
      world.api.failures = 0;
      world.api.isSilent = false;
      world.api.endWatches(noAnswer("TimedOut", "silence"));
      for (let i = 0; i < 6; i++) await world.pass(15_000);
      assert.deepEqual(world.contents, world.serverContents);
      assert.equal(world.reflector.state, "watching");
      assert.ok(!world.changes.includes("-ns/never-removed"), "an object was removed that never was");
      await world.reflector.close();
    }),
    { numRuns: 300 },
  );
  t.pass();
});

async function play({ api, ...world }: ReflectorWorld, one: Step): Promise<void> {
  if (one.do === "put") api.put(one.name, { n: one.n });
  else if (one.do === "remove") api.remove(one.name);
  else if (one.do === "compact") api.compact();
  else if (one.do === "cut") api.endWatches(noAnswer("Unreachable", "cut"));
  else if (one.do === "end") api.endWatches();
  else if (one.do === "bookmark") api.bookmark();
  else if (one.do === "silence") api.isSilent = true;
  else if (one.do === "speak") speakAgain(api);
  else if (one.do === "repeat") api.repeat(one.count);
  else if (one.do === "fail") api.failures += one.count;
  else if (one.do === "gone") sayGone(api, one.asEvent);
  else if (one.do === "pass") world.clock.advance(one.ms);
  for (let i = 0; i < 3; i++) await turn();
}

/** A watch that lost events is dead: its server never goes on as if nothing had been. */
function speakAgain(api: StoreKubeClient): void {
  if (!api.isSilent) return;
  api.isSilent = false;
  api.endWatches(noAnswer("TimedOut", "silence"));
}

function sayGone(api: StoreKubeClient, asEvent: boolean): void {
  const status = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" };
  if (asEvent) api.send({ type: "ERROR", object: status });
  else api.endWatches(new KubeError("gone", 410, "Expired"));
}
