/** Small tables for tests: entries with everything filled in, of which a test states what it is about. */
import type { RouteEntry } from "../../../protocol/route-table.ts";
import type {
  EndpointEntry,
  OutsideEndpoint,
  PodEndpoint,
  MeshSettings,
  NodeEntry,
  ServiceEntry,
  TableSnapshot,
  WorkloadEntry,
} from "../../../protocol/table.ts";
import { routeKey } from "../../../routing/http/route-key.ts";
import { MESH_DEFAULTS } from "../../../routing/mesh-defaults.ts";

export function nodeEntry(name: string, fields: Partial<NodeEntry> = {}): NodeEntry {
  return { name, addresses: [], podCidrs: [], agent: true, ...fields };
}

/** `uid` is `namespace/name`. */
export function workloadEntry(uid: string, node: string, fields: Partial<WorkloadEntry> = {}): WorkloadEntry {
  const [namespace = "", name = ""] = uid.split("/");
  return {
    uid,
    namespace,
    name,
    workload: name,
    node,
    addresses: [],
    serviceAccount: "default",
    labels: {},
    mesh: true,
    state: "ready",
    ...fields,
  };
}

export function serviceEntry(key: string, fields: Partial<ServiceEntry> = {}): ServiceEntry {
  const [namespace = "", name = ""] = key.split("/");
  return { key, namespace, name, clusterIps: [], ports: [], ...fields };
}

export function endpointEntry(
  service: string,
  workload: string,
  ports: Readonly<Record<number, number>>,
  weight = 100,
  fields: Partial<PodEndpoint> = {},
): EndpointEntry {
  return { key: `${service}|${workload}`, service, workload, ports, weight, ...fields };
}

/** `target`: address and port, of IPv4. */
export function outsideEntry(
  service: string,
  target: string,
  port: number,
  fields: Partial<OutsideEndpoint> = {},
): EndpointEntry {
  const [address = "", number] = target.split(":");
  return { key: `${service}|${target}`, service, address, ports: { [port]: Number(number) }, weight: 100, ...fields };
}

/** All requests to port 80 of the Service go on to it, but for what `fields` say. */
export function routeEntry(service: string, fields: Partial<RouteEntry> = {}): RouteEntry {
  const { port = 80, consumer } = fields;
  return {
    key: routeKey(service, port, consumer),
    service,
    port,
    kind: "HTTPRoute",
    rules: [{ route: service, index: 0, backends: [{ service, port, weight: 1 }] }],
    matches: [{ rule: 0, index: 0, path: { type: "prefix", value: "" } }],
    ...fields,
  };
}

export function tableSnapshot(fields: Partial<TableSnapshot> = {}, mesh: Partial<MeshSettings> = {}): TableSnapshot {
  return {
    epoch: "epoch-1",
    sequence: 1,
    mesh: { ...MESH_DEFAULTS, ...mesh },
    nodes: [],
    workloads: [],
    services: [],
    endpoints: [],
    routes: [],
    ...fields,
  };
}
