import test from "ava";
import type { PodObject } from "../../../../lab/kubernetes/kube-objects.ts";
import { workloadChanges } from "../../../../lab/kubernetes/played/workload-pods.ts";
import type { WorkloadObject } from "../../../../lab/kubernetes/played/workload-pods.ts";

const NODES = ["node-1", "node-2"];

function workload(kind: WorkloadObject["kind"], image: string): WorkloadObject {
  const template = { metadata: { labels: { app: "a" } }, spec: { containers: [{ name: "a", image }] } };
  return { kind, metadata: { name: "a", namespace: "n", uid: "u" }, spec: { replicas: 2, template } };
}

/** As the API server would have it, and its kubelet. */
function running(created: object, ready = true): PodObject {
  const status = { conditions: [{ type: "Ready", status: ready ? "True" : "False" }] };
  return { ...(created as PodObject), status };
}

test("a DaemonSet wants a pod on each node, a Deployment so many pods on any", (t) => {
  const onNodes = workloadChanges(workload("DaemonSet", "one"), [], NODES).create as readonly PodObject[];
  t.deepEqual(
    onNodes.map((pod) => pod.spec.nodeName),
    NODES,
  );
  const anywhere = workloadChanges(workload("Deployment", "one"), [], NODES).create as readonly PodObject[];
  t.deepEqual(
    anywhere.map((pod) => pod.spec.nodeName),
    [undefined, undefined],
  );
});

test("what is there is left alone, what is gone is made again", (t) => {
  const wanted = workload("DaemonSet", "one");
  const pods = workloadChanges(wanted, [], NODES).create.map((pod) => running(pod));
  t.like(workloadChanges(wanted, pods, NODES), { create: [], remove: [], updated: 2, ready: 2 });
  t.is(workloadChanges(wanted, pods.slice(0, 1), NODES).create.length, 1);
});

test("another template replaces one pod after the other, the old one goes when the new one is ready", (t) => {
  const old = workloadChanges(workload("DaemonSet", "one"), [], NODES).create.map((pod) => running(pod));
  const next = workload("DaemonSet", "two");
  const first = workloadChanges(next, old, NODES);
  t.deepEqual([first.create.length, first.remove.length], [1, 0]);
  const starting = [...old, running(first.create[0] ?? {}, false)];
  t.like(workloadChanges(next, starting, NODES), { create: [], remove: [] });
  const ready = [...old, running(first.create[0] ?? {})];
  t.deepEqual(workloadChanges(next, ready, NODES).remove, [old[0]?.metadata.name]);
});
