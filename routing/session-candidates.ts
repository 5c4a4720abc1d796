/**
 * Every endpoint of a Service that can take requests, near or not: where the session of a client may be, which perhaps began
 * on another node. Which endpoint a new session gets is the matter of `requestCandidates`.
 */
import type { Candidate } from "./decide-connection.ts";
import { chooseEndpoints, type PortOfService, transportTo } from "./service-endpoints.ts";
import type { TableState } from "./table-state.ts";

/** Not remembered. */
export function sessionCandidates(table: TableState, node: string, about: PortOfService): readonly Candidate[] {
  return chooseEndpoints(table, node, about).live.flatMap(({ key, workload, address, port, weight }) => {
    const transport = workload === undefined ? "plain" : transportTo(table, node, workload);
    // A weight is for new sessions; of one that is 0, old ones stay.
    return transport === undefined ? [] : [{ key, workload, address, port, weight: Math.max(1, weight), transport }];
  });
}
