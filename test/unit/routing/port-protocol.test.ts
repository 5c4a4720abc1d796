import test from "ava";
import type { ServicePort } from "../../../protocol/table.ts";
import { choosePortProtocol, type PortProtocol } from "../../../routing/port-protocol.ts";

const port = (change: Partial<ServicePort> = {}): ServicePort => ({ name: "", port: 80, protocol: "TCP", ...change });
const ofName = (name: string): PortProtocol => choosePortProtocol(port({ name }), "HTTPRoute").protocol;
const ofAppProtocol = (appProtocol: string): PortProtocol =>
  choosePortProtocol(port({ appProtocol }), undefined).protocol;

test("a port that says nothing is found out about", (t) => {
  t.is(choosePortProtocol(port(), "HTTPRoute").protocol, "detect");
  t.is(choosePortProtocol(port(), "TrafficPolicy").protocol, "detect");
  t.is(choosePortProtocol(port(), undefined).protocol, "detect");
});

test("the word of appProtocol: HTTP in clear, and everything else", (t) => {
  for (const name of ["http", "HTTP", "http2", "grpc", "kubernetes.io/h2c", "kubernetes.io/ws"])
    t.is(ofAppProtocol(name), "http", name);
  for (const name of ["tcp", "https", "kubernetes.io/wss", "mysql", "postgresql", "tls"])
    t.is(ofAppProtocol(name), "bytes", name);
});

test("the name of a port, up to its hyphen", (t) => {
  for (const name of ["http", "http-web", "http2-api", "grpc", "grpc-web", "grpc-web-ui", "h2c-x"])
    t.is(ofName(name), "http", name);
  for (const name of ["tcp", "tcp-x", "mysql", "redis-cache", "https", "tls-in"]) t.is(ofName(name), "bytes", name);
  for (const name of ["", "web", "httpx", "db", "metrics", "grpcish"]) t.is(ofName(name), "detect", name);
});

test("what goes before what", (t) => {
  const all = port({ policyProtocol: "tcp", appProtocol: "http", name: "http" });
  t.deepEqual(choosePortProtocol(all, "GRPCRoute"), { protocol: "bytes", why: "TrafficPolicy with protocol tcp" });
  const known = port({ appProtocol: "tcp", name: "http" });
  t.deepEqual(choosePortProtocol(known, "GRPCRoute"), { protocol: "bytes", why: "appProtocol tcp" });
  t.deepEqual(choosePortProtocol(port({ name: "mysql" }), "GRPCRoute"), { protocol: "http", why: "GRPCRoute" });
  t.deepEqual(choosePortProtocol(port({ name: "mysql" }), "HTTPRoute"), { protocol: "bytes", why: "port name mysql" });
  t.is(choosePortProtocol(port({ policyProtocol: "grpc", name: "tcp" }), "HTTPRoute").protocol, "http");
});
