import test, { type ExecutionContext } from "ava";
import { PresenceConfigMap } from "../../../../controller/kubernetes/presence-config-map.ts";
import { KubeError, type KubeObject } from "../../../../kubernetes/kube-client.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { MemoryKube } from "../../../support/memory-kube.ts";
import { RecordingLog } from "../../../support/recording-log.ts";

const PATH = "/api/v1/namespaces/hawser-system/configmaps/hawser-agents";

class Replica {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly presence: PresenceConfigMap;
  changes = 0;

  constructor(t: ExecutionContext, client: MemoryKube) {
    const { clock, log } = this;
    this.presence = new PresenceConfigMap({ client, namespace: "hawser-system", clock, random: () => 0, log });
    t.teardown(() => this.presence.close());
  }

  async start(): Promise<this> {
    await this.presence.start(() => void (this.changes += 1));
    return this;
  }

  async has(...nodes: string[]): Promise<void> {
    await eventually(`nodes are ${nodes.join(", ")}`, () => {
      const { nodes: now, isSettled } = this.presence;
      return isSettled && now.size === nodes.length && nodes.every((node) => now.has(node));
    });
  }
}

test("what one replica adds, all have; what one removes, none has", async (t) => {
  const client = new MemoryKube();
  const [a, b] = await Promise.all([new Replica(t, client).start(), new Replica(t, client).start()]);
  a.presence.add("node-1");
  await a.has("node-1");
  await b.has("node-1");
  b.presence.add("node-2");
  b.presence.add("node-2");
  await a.has("node-1", "node-2");
  b.presence.remove("node-1");
  await a.has("node-2");
  await b.has("node-2");
  t.is(a.changes, 3);
});

test("a replica that starts knows the nodes before its start is over", async (t) => {
  const client = new MemoryKube();
  client.put(PATH, { metadata: { name: "hawser-agents" }, data: { "node-1": "2026-01-01T00:00:00Z" } });
  const { presence, changes } = await new Replica(t, client).start();
  t.deepEqual(presence.nodes, new Set(["node-1"]));
  t.is(changes, 0);
});

test("a start waits for an API server that is away", async (t) => {
  const client = new MemoryKube();
  client.put(PATH, { metadata: { name: "hawser-agents" }, data: { "node-1": "" } });
  client.intercept = () => Promise.reject(new KubeError("away", 0, "Unreachable"));
  const replica = new Replica(t, client);
  let started = false;
  const starting = replica.start().then(() => (started = true));
  await eventually("it says so", () => /away/.test(replica.log.text));
  t.false(started);
  client.intercept = () => undefined;
  replica.clock.advance(10_000);
  await starting;
  await replica.has("node-1");
});

test("many nodes are a few writes", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client).start();
  const nodes = Array.from({ length: 200 }, (_, index) => `node-${index}`);
  for (const node of nodes) a.presence.add(node);
  await a.has(...nodes);
  t.true(client.calls.filter((call) => /^(patch|create)/.test(call)).length <= 5);
});

test("a write that fails is tried again, and a node is not counted before it is stored", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client).start();
  client.intercept = (verb) => (verb === "patch" ? Promise.reject(new KubeError("no", 500, "")) : undefined);
  a.presence.add("node-1");
  await eventually("it says so", () => /Cannot write/.test(a.log.text));
  t.false(a.presence.nodes.has("node-1"));
  t.false(a.presence.isSettled);
  client.intercept = () => undefined;
  a.clock.advance(10_000);
  await a.has("node-1");
});

test("a ConfigMap that somebody deleted is written again, and no node is taken for one without an agent", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client).start();
  a.presence.add("node-1");
  await a.has("node-1");
  const { changes } = a;
  await client.delete(PATH);
  await eventually("it is there again", () => client.objects.has(PATH));
  await a.has("node-1");
  t.is(a.changes, changes);
});

test("an event from before a write of our own does not take it back", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client).start();
  a.presence.add("node-1");
  await a.has("node-1");
  const before = client.objects.get(PATH) as KubeObject;
  a.presence.add("node-2");
  await a.has("node-1", "node-2");
  const { changes } = a;
  client.send({ type: "MODIFIED", object: before });
  t.deepEqual(a.presence.nodes, new Set(["node-1", "node-2"]));
  t.is(a.changes, changes);
});

test("a watch that breaks is opened again, and what happened meanwhile is known", async (t) => {
  const client = new MemoryKube();
  const a = await new Replica(t, client).start();
  await eventually("it is watched", () => client.watches === 1);
  client.endWatches(new KubeError("broken", 0, ""));
  client.put(PATH, { metadata: { name: "hawser-agents" }, data: { "node-3": "" } });
  await eventually("the failure is told", () => /broken/.test(a.log.text));
  a.clock.advance(10_000);
  await a.has("node-3");
  await eventually("it is watched", () => client.watches === 1);
  client.endWatches();
  client.put(PATH, { metadata: { name: "hawser-agents" }, data: { "node-4": "" } });
  await eventually("it is watched again", () => {
    a.clock.advance(1_000);
    return a.presence.nodes.has("node-4");
  });
  t.is(a.changes, 2);
});
