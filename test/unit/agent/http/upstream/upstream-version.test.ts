import test from "ava";
import { upstreamVersion } from "../../../../../agent/http/upstream/upstream-version.ts";
import type { ServiceEntry, ServicePort } from "../../../../../protocol/table.ts";

function service(port: Partial<ServicePort>): ServiceEntry {
  const ports = [{ name: "web", port: 80, protocol: "TCP" as const, ...port }];
  return { key: "shop/catalog", namespace: "shop", name: "catalog", clusterIps: [], ports };
}

test("what the port says, else what the client speaks", (t) => {
  t.is(upstreamVersion(1, service({ appProtocol: "kubernetes.io/h2c" }), 80), 2);
  t.is(upstreamVersion(1, service({ appProtocol: "grpc" }), 80), 2);
  t.is(upstreamVersion(2, service({ appProtocol: "http" }), 80), 1);
  t.is(upstreamVersion(2, service({ appProtocol: "HTTP" }), 80), 1);
  t.is(upstreamVersion(2, service({ appProtocol: "example.com/own" }), 80), 2);
  t.is(upstreamVersion(1, service({}), 80), 1);
  t.is(upstreamVersion(2, service({ appProtocol: "http" }), 81), 2, "another port says nothing");
});

test("a policy's word goes before the Service's", (t) => {
  t.is(upstreamVersion(1, service({ appProtocol: "http", policyProtocol: "grpc" }), 80), 2);
  t.is(upstreamVersion(2, service({ appProtocol: "http2", policyProtocol: "http" }), 80), 1);
});
