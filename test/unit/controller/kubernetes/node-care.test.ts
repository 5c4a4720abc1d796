import test, { type ExecutionContext } from "ava";
import { AGENT_TAINT } from "../../../../controller/kubernetes/agent-taint.ts";
import { NodeCare } from "../../../../controller/kubernetes/node-care.ts";
import { timers } from "../../../../controller/limits.ts";
import { KubeError } from "../../../../kubernetes/kube-client.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { MemoryKube } from "../../../support/memory-kube.ts";
import { RecordingLog } from "../../../support/recording-log.ts";

const ours = { key: AGENT_TAINT, effect: "NoSchedule" };
const other = { key: "node.kubernetes.io/disk-pressure", effect: "NoSchedule" };

function bench(t: ExecutionContext) {
  const client = new MemoryKube();
  const clock = new FakeClock();
  const log = new RecordingLog();
  const leadership = { isLeader: true };
  const nodes = new Set<string>();
  const removed: string[] = [];
  const results: string[] = [];
  const taintsOf = (name: string): unknown[] =>
    (client.objects.get(`/api/v1/nodes/${name}`) as unknown as { spec: { taints: unknown[] } }).spec.taints;
  const care = new NodeCare({
    client,
    leadership,
    presence: {
      nodes,
      remove: (node) => {
        removed.push(node);
        nodes.delete(node);
      },
    },
    nodesWithTaint: () =>
      [...client.objects.values()]
        .map(({ metadata }) => metadata.name)
        .filter((name) => taintsOf(name).some((taint) => (taint as { key: string }).key === AGENT_TAINT)),
    count: (result) => results.push(result),
    clock,
    log,
  });
  care.start();
  t.teardown(() => care.close());
  const node = (name: string, taints: object[]): void =>
    client.put(`/api/v1/nodes/${name}`, { metadata: { name }, spec: { taints } });
  const pass = async (ms: number = timers.nodeCareMs): Promise<void> => {
    for (let passed = 0; passed < ms; passed += timers.nodeCareMs) {
      clock.advance(timers.nodeCareMs);
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { client, log, leadership, nodes, removed, results, care, node, pass, taintsOf };
}

test("the taint goes when the node's agent has been ready, and no other one with it", async (t) => {
  const { client, nodes, node, pass, taintsOf, results } = bench(t);
  node("node-1", [other, ours, { ...ours, effect: "NoExecute" }]);
  node("node-2", [ours]);
  await pass();
  t.deepEqual(taintsOf("node-1").length, 3, "no agent yet");
  nodes.add("node-1");
  await pass();
  t.deepEqual(taintsOf("node-1"), [other]);
  t.deepEqual(taintsOf("node-2"), [ours]);
  t.deepEqual(results, ["removed"]);
  const calls = client.calls.length;
  await pass();
  t.is(client.calls.length, calls, "a node without the taint costs nothing");
});

test("a replica that is not the leader touches nothing", async (t) => {
  const { client, leadership, nodes, node, pass } = bench(t);
  leadership.isLeader = false;
  node("node-1", [ours]);
  nodes.add("node-1").add("gone");
  await pass(timers.unknownNodeMs * 2);
  t.deepEqual(client.calls, []);
});

test("taints that somebody changed meanwhile are not touched, the next look is right", async (t) => {
  const { client, nodes, node, pass, taintsOf, log } = bench(t);
  node("node-1", [other, ours]);
  nodes.add("node-1");
  client.intercept = (verb) => {
    if (verb === "patch") node("node-1", [ours, other]);
    client.intercept = verb === "patch" ? () => undefined : client.intercept;
  };
  await pass();
  t.deepEqual(taintsOf("node-1"), [ours, other]);
  await pass();
  t.deepEqual(taintsOf("node-1"), [other]);
  t.deepEqual(
    log.lines.filter(({ level }) => level === "warn"),
    [],
  );
});

test("a refusal is told once and counted each time", async (t) => {
  const { client, nodes, node, pass, log, results } = bench(t);
  node("node-1", [ours]);
  nodes.add("node-1");
  client.intercept = (verb) => (verb === "patch" ? Promise.reject(new KubeError("no", 403, "Forbidden")) : undefined);
  await pass(3 * timers.nodeCareMs);
  t.deepEqual(results, ["failed", "failed", "failed"]);
  t.is(log.lines.filter(({ level }) => level === "warn").length, 1);
});

test("the mark of a node that left the table is removed at once, that of an unknown one after a while", async (t) => {
  const { care, nodes, removed, pass } = bench(t);
  nodes.add("node-1").add("node-2");
  care.setNodes(new Set(["node-1"]));
  await pass();
  t.deepEqual(removed, []);
  care.setNodes(new Set());
  await pass();
  t.deepEqual(removed, ["node-1"]);
  await pass(timers.unknownNodeMs);
  t.deepEqual(removed, ["node-1", "node-2"]);
});

test("a node that comes back within the time keeps its mark", async (t) => {
  const { care, nodes, removed, pass } = bench(t);
  nodes.add("node-1");
  await pass(timers.unknownNodeMs - 2 * timers.nodeCareMs);
  care.setNodes(new Set(["node-1"]));
  await pass(timers.unknownNodeMs * 2);
  t.deepEqual(removed, []);
});
