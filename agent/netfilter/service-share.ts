/**
 * How the connections to one port of a Service divide between the kernel of this node (its own pods) and the agent (all
 * other endpoints). Pure. Which endpoints there are to divide among, routing/service-endpoints.ts says; what the agent
 * does with its part, routing/service-candidates.ts.
 */
import type { ServiceEntry, ServicePort } from "../../protocol/table.ts";
import type { AddressFamily } from "../../routing/address.ts";
import { chooseEndpoints, type EndpointChoice } from "../../routing/service-endpoints.ts";
import type { TableState } from "../../routing/table-state.ts";

export interface LocalTarget {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
}

export type ServiceShare =
  /**
   * Not intercepted: nothing could take a connection (kube-proxy refuses it, faster and plainer than we could), or
   * nothing that could is in the mesh, and kube-proxy serves it as ever.
   */
  | { readonly kind: "none" }
  /** All connections go to the agent. */
  | { readonly kind: "agent" }
  /** `agentShare` (0 <= share < 1) of the connections goes to the agent, the rest to the targets by their weights. */
  | { readonly kind: "direct"; readonly agentShare: number; readonly targets: readonly LocalTarget[] };

/** Remembered in the table until the Service, one of its routes or endpoints, a node or the mesh settings change. */
export function serviceShare(
  table: TableState,
  node: string,
  service: ServiceEntry,
  port: ServicePort,
  family: AddressFamily,
): ServiceShare {
  return table.derive(service.key, `share ${port.port} ${family} ${node}`, () =>
    divide(chooseEndpoints(table, node, { service, port, family })),
  );
}

function divide({ chosen, live, sticky, routed }: EndpointChoice): ServiceShare {
  // Whatever is behind the Service: its routes may lead elsewhere, or answer.
  if (routed) return { kind: "agent" };
  // Of all, not only of the chosen: kube-proxy would choose among all of them, and send some to mesh pods in clear.
  if (!live.some((endpoint) => endpoint.workload?.mesh === true)) return { kind: "none" };
  const targets = chosen.filter((endpoint) => endpoint.transport === "local");
  // The dice know no client: one that is to stay at one endpoint is the agent's, unless there is only one.
  if (targets.length === 0 || (sticky && chosen.length > 1)) return { kind: "agent" };
  const weights = (endpoints: typeof chosen): number => endpoints.reduce((sum, { weight }) => sum + weight, 0);
  const agentShare = 1 - weights(targets) / weights(chosen);
  return {
    kind: "direct",
    agentShare,
    targets: targets.map(({ address, port, weight }) => ({ address, port, weight })),
  };
}
