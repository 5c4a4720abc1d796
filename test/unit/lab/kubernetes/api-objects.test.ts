import test from "ava";
import { podObject, serviceObject } from "../../../../lab/kubernetes/api-objects.ts";
import { meshDocumentsPatch } from "../../../../lab/kubernetes/mesh-documents.ts";
import { podStatusPatch } from "../../../../lab/kubernetes/pod-status.ts";

test("a Service of two addresses says that it is dual stack, and which comes first", (t) => {
  const spec = { clusterIPs: ["10.96.0.7", "fd10:96::7"] };
  t.like(serviceObject({ kind: "Service", metadata: { name: "web" }, spec }), {
    metadata: { namespace: "default" },
    spec: { clusterIP: "10.96.0.7", ipFamilyPolicy: "RequireDualStack" },
  });
  t.deepEqual(serviceObject({ metadata: { name: "web" }, spec: {} }).spec, {});
});

test("a pod of a lab's file gets an image and a short end, and loses the addresses it asked for", (t) => {
  const pod = {
    metadata: { name: "web" },
    spec: { nodeName: "node-1", containers: [{ command: ["true"] }] },
    status: { podIPs: [{ ip: "10.244.1.9" }] },
  };
  const object = podObject(pod) as { spec: { containers: object[]; terminationGracePeriodSeconds: number } };
  t.like(object.spec.containers[0], { name: "main", image: "lab.hawser.dev/machine" });
  t.is(object.spec.terminationGracePeriodSeconds, 5);
  t.false("status" in object);
});

test("a lab's Mesh takes the place of the ConfigMap's own, and only what is Hawser's goes there", (t) => {
  const meshDocument = { apiVersion: "hawser.dev/v1", kind: "Mesh", spec: { encryption: "strict" } };
  const patch = meshDocumentsPatch([meshDocument, { apiVersion: "v1", kind: "Service" }], "permissive");
  t.deepEqual(Object.keys((patch as { data: object }).data), ["mesh.yaml"]);
  t.regex(JSON.stringify(patch), /encryption: permissive/);
  t.deepEqual(meshDocumentsPatch([], undefined), { data: {} });
});

test("a pod is Ready when its containers and its gates are", (t) => {
  const object = {
    metadata: { name: "web", uid: "u" },
    spec: { containers: [{ name: "web" }], readinessGates: [{ conditionType: "lb" }] },
  };
  const facts = { ips: [], hostIps: [], state: "ready", ready: true, readySinceMs: 0, startedMs: 1 } as const;
  const patch = podStatusPatch({ ...facts, object, restarts: 0, running: true, reason: undefined });
  const { conditions } = (patch as { status: { conditions: { type: string; status: string }[] } }).status;
  t.deepEqual(
    conditions.map(({ type, status }) => `${type} ${status}`),
    ["Initialized True", "ContainersReady True", "Ready False"],
  );
});
