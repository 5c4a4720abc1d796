/**
 * Which endpoints of a Service may take a new connection that the agent of one node holds: those that take this node's
 * connections (service-endpoints.ts), without the kernel's part of them.
 *
 *   chosen endpoints  ->  those that are not the kernel's, else all  (one client, one endpoint; routes: all)
 *
 * The kernel has taken this node's share before a connection comes to the agent. Where a client is to stay at one
 * endpoint, it has no share, unless there is only one endpoint; and none where requests are routed. Where the kernel has a
 * share, it knows no spill-over, and then the agent's part has none either.
 */
import type { ServiceEntry, ServicePort } from "../protocol/table.ts";
import type { AddressFamily } from "./address.ts";
import { type ChoiceSettings, choiceSettings } from "./choice-settings.ts";
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
  | {
      readonly candidates: readonly Candidate[];
      readonly choice?: ChoiceSettings;
      readonly why: readonly string[];
      readonly refusal?: undefined;
    }
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
    toCandidates(service, chooseEndpoints(table, node, { service, port, family }), false),
  );
}

/** Of requests that were routed to this Service: the kernel takes no part of those. Not remembered. */
export function requestCandidates(table: TableState, node: string, about: PortOfService): ServiceCandidates {
  return toCandidates(about.service, chooseEndpoints(table, node, about), true);
}

function toCandidates(service: ServiceEntry, endpoints: EndpointChoice, isAllOurs: boolean): ServiceCandidates {
  const { chosen, live, sticky, routed, why } = endpoints;
  if (chosen.length === 0) return { refusal: refusalOf(live, why) };
  const remote = isAllOurs || sticky || routed ? chosen : chosen.filter(({ transport }) => transport !== "local");
  const ours = remote.length > 0 ? remote : chosen;
  const beyond = remote.length === chosen.length ? endpoints.beyond : undefined;
  const near = ours.map((endpoint) => toCandidate(endpoint));
  const far = (beyond?.far ?? []).map((endpoint): Candidate => ({ ...toCandidate(endpoint), far: true }));
  const candidates = [...near, ...far];
  const choice = choiceSettings(service, beyond?.spillOver);
  const told = [...why, `${candidates.length} to choose from`];
  return choice === undefined ? { candidates, why: told } : { candidates, choice, why: told };
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
