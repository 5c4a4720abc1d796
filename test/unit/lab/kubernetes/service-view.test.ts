import test from "ava";
import type { EndpointSliceObject, ServiceObject } from "../../../../lab/kubernetes/kube-objects.ts";
import { serviceView } from "../../../../lab/kubernetes/service-view.ts";

const web: ServiceObject = {
  metadata: { name: "web", namespace: "shop" },
  spec: {
    clusterIPs: ["10.96.0.7"],
    selector: { app: "web" },
    ports: [{ name: "http", port: 80, targetPort: "http" }],
  },
};

function slice(endpoints: EndpointSliceObject["endpoints"], name = "http"): EndpointSliceObject {
  return {
    metadata: { name: "web-1", namespace: "shop", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ...(endpoints === undefined ? {} : { endpoints }),
    ports: [{ name, port: 8080, protocol: "TCP" }],
  };
}

function backends(...slices: readonly EndpointSliceObject[]): readonly string[] {
  return serviceView([web], slices).backends.flatMap((one) => one.endpoints.map(({ ip, port }) => `${ip}:${port}`));
}

test("a Service's backends are the ready endpoints of its slices, at the port of its port's name", (t) => {
  const ready = { addresses: ["10.244.1.2"] };
  const notReady = { addresses: ["10.244.1.3"], conditions: { ready: false, serving: false } };
  t.deepEqual(backends(slice([ready, notReady])), ["10.244.1.2:8080"]);
  t.deepEqual(backends(slice([ready], "metrics")), []);
});

test("endpoints that terminate but serve are used when there is no other", (t) => {
  const leaving = { addresses: ["10.244.1.2"], conditions: { ready: false, serving: true, terminating: true } };
  const gone = { addresses: ["10.244.1.3"], conditions: { ready: false, serving: false, terminating: true } };
  t.deepEqual(backends(slice([leaving, gone])), ["10.244.1.2:8080"]);
  t.deepEqual(backends(slice([leaving, { addresses: ["10.244.1.4"] }])), ["10.244.1.4:8080"]);
});

test("a slice of another Service, or of none, is nobody's backend", (t) => {
  const other = slice([{ addresses: ["10.244.1.2"] }]);
  t.deepEqual(backends({ ...other, metadata: { ...other.metadata, namespace: "other" } }), []);
  t.deepEqual(backends({ ...other, metadata: { name: "lonely", namespace: "shop" } }), []);
});

test("a headless Service has the addresses of its endpoints as names, and no backends", (t) => {
  const headless = { ...web, spec: { ...web.spec, clusterIPs: ["None"] } };
  const { named, backends: none } = serviceView([headless], [slice([{ addresses: ["10.244.1.2"] }])]);
  t.deepEqual(named[0]?.endpointIps, ["10.244.1.2"]);
  t.deepEqual(none, []);
});
