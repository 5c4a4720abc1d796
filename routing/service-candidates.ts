/**
 * Which endpoints of a Service may take a new connection that the agent of one node holds: those that take this node's
 * connections (service-endpoints.ts), without the kernel's part of them.
 *
 *   chosen endpoints  ->  those that are not the kernel's, else all  (one client, one endpoint; routes: all)
 *
 * The kernel has taken this node's share before a connection comes to the agent. Where a client is to stay at one
 * endpoint, it has no share, unless there is only one endpoint; and none where requests are routed.
 */
import type { ServiceEntry, ServicePort } from "../protocol/table.ts";
import type { AddressFamily } from "./address.ts";
import type { Candidate, RefusalCode } from "./decide-connection.ts";
import {
  chooseEndpoints,
  type ChosenEndpoint,
  type EndpointChoice,
  type PortOfService,
  type ServiceEndpoint,
} from "./service-endpoints.ts";
import type { TableState } from "./table-state.ts";

export type ServiceCandidates =
  | { readonly candidates: readonly Candidate[]; readonly why: readonly string[]; readonly refusal?: undefined }
  | { readonly refusal: { readonly code: RefusalCode; readonly reason: string } };

/** Of connections. Remembered in the table until the Service, its routes, endpoints, a node or the mesh settings change. */
export function serviceCandidates(
  table: TableState,
  node: string,
  service: ServiceEntry,
  port: ServicePort,
  family: AddressFamily,
): ServiceCandidates {
  return table.derive(service.key, `candidates ${port.port} ${family} ${node}`, () =>
    toCandidates(chooseEndpoints(table, node, { service, port, family }), false),
  );
}

/** Of requests that were routed to this Service: the kernel takes no part of those. Not remembered. */
export function requestCandidates(table: TableState, node: string, about: PortOfService): ServiceCandidates {
  return toCandidates(chooseEndpoints(table, node, about), true);
}

function toCandidates({ chosen, live, sticky, routed, why }: EndpointChoice, all: boolean): ServiceCandidates {
  if (chosen.length === 0) return { refusal: refusalOf(live, why) };
  const ours = all || sticky || routed ? chosen : chosen.filter((endpoint) => endpoint.transport !== "local");
  const candidates = (ours.length > 0 ? ours : chosen).map(toCandidate);
  return { candidates, why: [...why, `${candidates.length} to choose from`] };
}

function refusalOf(live: readonly ServiceEndpoint[], why: readonly string[]) {
  const [name = "", ...reasons] = why;
  if (live.length === 0) {
    const reason = `No endpoint can take a connection for ${name}: ${reasons.join(", ")}`;
    return { code: "no-endpoints", reason } as const;
  }
  const nodes = [...new Set(live.map((endpoint) => endpoint.node))].join(", ");
  const reason = `No agent serves any node (${nodes}) of ${name}, and encryption is strict`;
  return { code: "no-agent", reason } as const;
}

function toCandidate({ key, workload, address, port, weight, transport }: ChosenEndpoint): Candidate {
  return { key, workload, address, port, weight, transport };
}
