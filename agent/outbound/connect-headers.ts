/**
 * Headers of a CONNECT request as HBONE peers send them: who the source is, for the far end's checks and telemetry.
 *
 * - `forwarded: for="ip:port"` (RFC 7239): the pod's address and port; the far end's agent connects to the server from it.
 * - `baggage` (W3C Baggage): names of the source workload. Informational: never trusted.
 * - `traceparent` (W3C Trace Context): joins the log lines of both agents for one connection.
 */
import { formatHostPort } from "../../routing/address.ts";
import type { ForwardDecision } from "../../routing/decide-connection.ts";

export interface ConnectHeaderFacts {
  readonly decision: Pick<ForwardDecision, "source" | "service">;
  readonly sourceAddress: string;
  readonly sourcePort: number;
  /** A new one. */
  readonly traceparent: string;
}

export function connectHeaders(facts: ConnectHeaderFacts): Record<string, string> {
  const { decision, sourceAddress, sourcePort, traceparent } = facts;
  const { source, service } = decision;
  const host = service === undefined ? "" : `;host=${service.name}.${service.namespace}.svc.cluster.local`;
  return {
    forwarded: `for="${formatHostPort(sourceAddress, sourcePort)}"${host}`,
    baggage: `k8s.namespace.name=${source.namespace},k8s.deployment.name=${source.workload},k8s.pod.name=${source.name}`,
    traceparent,
  };
}
