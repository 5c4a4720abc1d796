/**
 * Where an intercepted TCP connection goes, and why. Pure: the same table and facts give the same decision; which of
 * the candidates takes the connection is the balancer's choice.
 *
 *   source  --no mesh pod of this node-->  refuse unknown-source
 *     |
 *   destination port 15008  ------------>  refuse reserved-port
 *     |
 *   VIP of a Service  --> its endpoints -> forward | refuse no-endpoints, no-agent
 *   address of a pod  --> that pod ------> forward | refuse no-agent
 *   anything else  --------------------->  refuse unknown-destination
 */
import type { HBONE_PORT } from "../protocol/ports.ts";
import type {
  EjectionSettings,
  LoadBalancerAlgorithm,
  ServiceEntry,
  ServicePort,
  WorkloadEntry,
} from "../protocol/table.ts";
import { addressFamily, formatHostPort, normalizeAddress } from "./address.ts";
import type { ChoiceSettings } from "./choice-settings.ts";
import { serviceCandidates } from "./service-candidates.ts";
import { transportTo } from "./service-endpoints.ts";
import type { TableState } from "./table-state.ts";

/** How a candidate is reached: over a tunnel to its node's agent, by a plain dial, or by a dial on this very node. */
export type Transport = "tunnel" | "plain" | "local";

export interface Candidate {
  /** `workload uid:port`; outside the pods, `address:port`. */
  readonly key: string;
  /** Undefined: no pod that the table knows. Never reached by tunnel. */
  readonly workload: WorkloadEntry | undefined;
  readonly address: string;
  readonly port: number;
  /** Relative to the other candidates; never 0. */
  readonly weight: number;
  readonly transport: Transport;
  /** With spill-over: takes only what those near the caller cannot. */
  readonly far?: true;
}

export interface ConnectionFacts {
  /** Name of the node the connection starts on. */
  readonly node: string;
  readonly sourceAddress: string;
  /** As dialled: a ClusterIP or a pod's address. */
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

export type RefusalCode =
  /** The caller is no mesh pod of this node. */
  | "unknown-source"
  /** No pod has this address, no Service this address and port. */
  | "unknown-destination"
  /** Port 15008 is the tunnels' own. */
  | "reserved-port"
  /** The Service has no endpoint that could take a connection. */
  | "no-endpoints"
  /** Encryption is strict and no agent serves the destination's node. */
  | "no-agent";

export interface ForwardDecision {
  readonly kind: "forward";
  readonly source: WorkloadEntry;
  readonly service?: ServiceEntry;
  readonly servicePort?: ServicePort;
  /** At least one. For a Service the same array object is given until something about the Service changes. */
  readonly candidates: readonly Candidate[];
  readonly loadBalancer: LoadBalancerAlgorithm;
  readonly ejection: EjectionSettings;
  readonly choice?: ChoiceSettings;
  /** What led here, in order, for a person. */
  readonly why: readonly string[];
}

export interface RefuseDecision {
  readonly kind: "refuse";
  readonly code: RefusalCode;
  /** One sentence for the operator. */
  readonly reason: string;
  readonly source?: WorkloadEntry;
  readonly service?: ServiceEntry;
  readonly servicePort?: ServicePort;
  /** The pod that was dialled, when it was a pod. */
  readonly destination?: WorkloadEntry;
}

export type ConnectionDecision = ForwardDecision | RefuseDecision;

/** The type of the constant keeps this equal to protocol/ports.ts, of which routing may use only types. */
const RESERVED_PORT: typeof HBONE_PORT = 15008;

export function decideConnection(table: TableState, facts: ConnectionFacts): ConnectionDecision {
  const source = table.workloadByAddress(facts.sourceAddress);
  const unknown = source === undefined ? undefined : sourceProblem(source, facts.node);
  if (source === undefined || unknown !== undefined) {
    return { kind: "refuse", code: "unknown-source", reason: unknown ?? `No pod has address ${facts.sourceAddress}` };
  }
  const dialled = formatHostPort(facts.destinationAddress, facts.destinationPort);
  if (facts.destinationPort === RESERVED_PORT) {
    const reason = `${dialled} is reserved for tunnels between agents`;
    return { kind: "refuse", code: "reserved-port", reason, source };
  }
  const match = table.serviceByVip(facts.destinationAddress, facts.destinationPort);
  if (match !== undefined) return decideService(table, facts, source, match.service, match.port);
  const destination = table.workloadByAddress(facts.destinationAddress);
  if (destination !== undefined) return decidePod(table, facts, source, destination);
  const reason = `${dialled} is neither a pod's address nor a TCP port of a Service`;
  return { kind: "refuse", code: "unknown-destination", reason, source };
}

function sourceProblem(source: WorkloadEntry, node: string): string | undefined {
  if (source.node !== node) return `Pod ${source.uid} is on node ${source.node}, not on ${node}`;
  if (!source.mesh) return `Pod ${source.uid} is outside the mesh`;
  return undefined;
}

function decideService(
  table: TableState,
  facts: ConnectionFacts,
  source: WorkloadEntry,
  service: ServiceEntry,
  servicePort: ServicePort,
): ConnectionDecision {
  const family = addressFamily(normalizeAddress(facts.destinationAddress) ?? facts.destinationAddress);
  const result = serviceCandidates(table, facts.node, service, servicePort, family);
  if (result.refusal !== undefined) {
    const { code, reason } = result.refusal;
    return { kind: "refuse", code, reason, source, service, servicePort };
  }
  return {
    kind: "forward",
    source,
    service,
    servicePort,
    candidates: result.candidates,
    loadBalancer: service.loadBalancer ?? table.mesh.loadBalancer,
    ejection: service.ejection ?? table.mesh.ejection,
    ...(result.choice === undefined ? {} : { choice: result.choice }),
    why: result.why,
  };
}

function decidePod(
  table: TableState,
  facts: ConnectionFacts,
  source: WorkloadEntry,
  destination: WorkloadEntry,
): ConnectionDecision {
  const transport = transportTo(table, facts.node, destination);
  if (transport === undefined) {
    const reason = `No agent serves node ${destination.node} of pod ${destination.uid}, and encryption is strict`;
    return { kind: "refuse", code: "no-agent", reason, source, destination };
  }
  const candidate: Candidate = {
    key: `${destination.uid}:${facts.destinationPort}`,
    workload: destination,
    address: normalizeAddress(facts.destinationAddress) ?? facts.destinationAddress,
    port: facts.destinationPort,
    weight: 1,
    transport,
  };
  return {
    kind: "forward",
    source,
    candidates: [candidate],
    loadBalancer: table.mesh.loadBalancer,
    ejection: table.mesh.ejection,
    why: [`${candidate.address} is pod ${destination.uid} on node ${destination.node}`, `transport: ${transport}`],
  };
}
