import test from "ava";
import type { PodObject, ServiceObject } from "../../../../lab/kubernetes/kube-objects.ts";
import { endpointSlicesOf } from "../../../../lab/kubernetes/played/endpoint-slices.ts";

const web: ServiceObject = {
  metadata: { name: "web", namespace: "shop", uid: "s" },
  spec: {
    clusterIPs: ["10.96.0.7", "fd10:96::7"],
    selector: { app: "web" },
    ports: [{ name: "http", port: 80, targetPort: "http", appProtocol: "http" }],
  },
};

function pod(ready: boolean, changes: { deletionTimestamp?: string; phase?: string } = {}): PodObject {
  const { deletionTimestamp, phase = "Running" } = changes;
  return {
    metadata: {
      name: "web-1",
      namespace: "shop",
      labels: { app: "web", extra: "yes" },
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    spec: { nodeName: "node-1", containers: [{ name: "web", ports: [{ name: "http", containerPort: 8080 }] }] },
    status: {
      phase,
      podIPs: [{ ip: "10.244.1.2" }, { ip: "fd10:244:1::2" }],
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}

function conditions(service: ServiceObject, ...pods: readonly PodObject[]): unknown {
  return endpointSlicesOf(service, pods)[0]?.endpoints?.map((endpoint) => endpoint.conditions);
}

test("a dual-stack Service has a slice per family, with the number that the port's name means", (t) => {
  const slices = endpointSlicesOf(web, [pod(true)]);
  t.deepEqual(
    slices.map(({ addressType, endpoints }) => [addressType, endpoints?.[0]?.addresses]),
    [
      ["IPv4", ["10.244.1.2"]],
      ["IPv6", ["fd10:244:1::2"]],
    ],
  );
  t.like(slices[0]?.ports?.[0], { name: "http", port: 8080, appProtocol: "http" });
});

test("readiness, service to the end and termination are told apart", (t) => {
  t.deepEqual(conditions(web, pod(true)), [{ ready: true, serving: true, terminating: false }]);
  t.deepEqual(conditions(web, pod(false)), [{ ready: false, serving: false, terminating: false }]);
  const leaving = pod(true, { deletionTimestamp: "2026-01-01T00:00:00Z" });
  t.deepEqual(conditions(web, leaving), [{ ready: false, serving: true, terminating: true }]);
  const published = { ...web, spec: { ...web.spec, publishNotReadyAddresses: true } };
  t.deepEqual(conditions(published, pod(false)), [{ ready: true, serving: true, terminating: false }]);
});

test("pods that have ended or are not selected are no endpoints, and a Service without selector has no slices", (t) => {
  t.deepEqual(conditions(web, pod(true, { phase: "Succeeded" })), []);
  t.deepEqual(conditions({ ...web, spec: { ...web.spec, selector: { app: "other" } } }, pod(true)), []);
  const { selector: _selector, ...spec } = web.spec;
  t.deepEqual(endpointSlicesOf({ ...web, spec }, [pod(true)]), []);
});
