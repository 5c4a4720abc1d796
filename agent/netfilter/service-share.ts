/**
 * How the connections to one port of a Service divide between the kernel of this node (local endpoints) and the agent
 * (endpoints on other nodes). Pure.
 *
 * It goes through the same stages as routing/service-candidates.ts, which decides what the agent does with its part:
 *
 *   ready, else draining  ->  weight above 0, else all alike  ->  reachable  ->  local share : agent's share
 */
import { type AddressFamily, addressFamily, normalizeAddress } from "../../routing/address.ts";
import { transportTo } from "../../routing/service-candidates.ts";
import type { TableState } from "../../routing/table-state.ts";
import type { ServiceEntry, ServicePort, WorkloadEntry } from "../../protocol/table.ts";

export interface LocalTarget {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
}

export type ServiceShare =
  /** Nothing could take a connection: kube-proxy refuses it, faster and plainer than we could. */
  | { readonly kind: "none" }
  /** All connections go to the agent. */
  | { readonly kind: "agent" }
  /** `agentShare` (0 <= share < 1) of the connections goes to the agent, the rest to the targets by their weights. */
  | { readonly kind: "direct"; readonly agentShare: number; readonly targets: readonly LocalTarget[] };

interface Endpoint extends LocalTarget {
  readonly workload: WorkloadEntry;
}

/** Remembered in the table until the Service, one of its pods, a node or the mesh settings change. */
export function serviceShare(
  table: TableState,
  node: string,
  service: ServiceEntry,
  servicePort: ServicePort,
  family: AddressFamily,
): ServiceShare {
  return table.derive(service.key, `share ${servicePort.port} ${family} ${node}`, () =>
    computeShare(table, node, service, endpointsOfPort(table, service.key, servicePort.port, family)),
  );
}

/** Address and target port of every endpoint of the port, whatever its state. */
export function endpointsOfPort(
  table: TableState,
  serviceKey: string,
  port: number,
  family: AddressFamily,
): readonly Endpoint[] {
  const endpoints: Endpoint[] = [];
  for (const entry of table.endpointsOf(serviceKey)) {
    const workload = table.workload(entry.workload);
    const targetPort = entry.ports[port];
    if (workload === undefined || targetPort === undefined) continue;
    const address = addressOf(workload, family);
    if (address !== undefined) endpoints.push({ workload, address, port: targetPort, weight: entry.weight });
  }
  // Changes arrive in any order; the rules' text must not depend on it.
  return endpoints.sort((a, b) => (a.workload.uid < b.workload.uid ? -1 : 1));
}

function addressOf(workload: WorkloadEntry, family: AddressFamily): string | undefined {
  for (const text of workload.addresses) {
    const address = normalizeAddress(text);
    if (address !== undefined && addressFamily(address) === family) return address;
  }
  return undefined;
}

function computeShare(
  table: TableState,
  node: string,
  service: ServiceEntry,
  endpoints: readonly Endpoint[],
): ServiceShare {
  const live = liveEndpoints(endpoints);
  if (live.length === 0) return { kind: "none" };
  let remoteWeight = 0;
  const targets: LocalTarget[] = [];
  for (const { workload, address, port, weight } of weighted(live)) {
    const transport = transportTo(table, node, workload);
    if (transport === "local") targets.push({ address, port, weight });
    else if (transport !== undefined) remoteWeight += weight;
  }
  if (targets.length === 0) return { kind: "agent" };
  const localWeight = targets.reduce((sum, target) => sum + target.weight, 0);
  const spread = (service.locality ?? table.mesh.locality) === "spread";
  return { kind: "direct", agentShare: spread ? remoteWeight / (remoteWeight + localWeight) : 0, targets };
}

function liveEndpoints(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.workload.state === "ready");
  return ready.length > 0 ? ready : endpoints.filter((endpoint) => endpoint.workload.state === "draining");
}

function weighted(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const weighty = endpoints.filter((endpoint) => endpoint.weight > 0);
  return weighty.length > 0 ? weighty : endpoints.map((endpoint) => ({ ...endpoint, weight: 1 }));
}
