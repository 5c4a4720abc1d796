import test from "ava";
import { hostsFile } from "../../../lab/cluster/hosts-file.ts";
import type { LabService } from "../../../lab/cluster/cluster-file.ts";

function service(namespace: string, name: string, clusterIps: readonly string[]): LabService {
  return { key: `${namespace}/${name}`, namespace, name, clusterIps, selector: {}, ports: [] };
}

test("a Service is known by its short name in its own namespace only", (t) => {
  const services = [{ service: service("shop", "catalog", ["fd10:96::1", "10.96.0.1"]), endpointIps: [] }];
  const names = "catalog.shop.svc.cluster.local catalog.shop.svc catalog.shop";
  const inside = hostsFile("shop", "front-1", ["10.244.1.2"], services);
  t.true(inside.includes(`10.96.0.1 ${names} catalog\nfd10:96::1 ${names} catalog\n`));
  t.true(inside.includes("10.244.1.2 front-1\n"));
  t.true(hostsFile("other", "x", [], services).includes(`10.96.0.1 ${names}\n`));
});

test("a headless Service is known by the addresses of its endpoints", (t) => {
  const services = [{ service: service("shop", "db", []), endpointIps: ["10.244.2.9"] }];
  t.regex(hostsFile("shop", "front-1", [], services), /^10\.244\.2\.9 db\.shop\.svc/m);
});
