/**
 * Ports without routes of Services whose TrafficPolicy says something of requests, or chooses endpoints by requests: one
 * rule sends everything to the Service itself, so that agents handle it request by request.
 */
import type { ServiceDocument, TrafficPolicyDocument } from "../../protocol/documents/document.ts";
import type { RouteEntry } from "../../protocol/route-table.ts";
import type { CompileProblems } from "../compile-problems.ts";
import { serviceKey } from "../compile-services.ts";
import { choosePortProtocol } from "../port-protocol.ts";
import { nameOfPolicy, type RequestPolicies, type RequestPolicy } from "./request-policies.ts";
import { routeKey } from "./route-key.ts";
import { whyUndialled } from "./route-parents.ts";

/** Of one Service with a policy, all ports: those that have routes have the policy in them already. */
export function compileUnrouted(
  policies: RequestPolicies,
  service: ServiceDocument,
  document: TrafficPolicyDocument,
  problems: CompileProblems,
): readonly RouteEntry[] {
  const key = serviceKey(service);
  const policy = policies.compileService(key);
  if (Object.keys(policy).length === 0 && !choosesByRequests(document)) return [];
  const ports = portsOfRequests(service, document);
  const why = whyUndialled(service) ?? (ports.length === 0 ? "has no TCP port that could carry HTTP" : undefined);
  if (why !== undefined) {
    const found = `Service ${key}, which ${why}`;
    const expected = "a Service whose requests pass an agent, for what this policy says of them";
    problems.add(document, { code: "wrong-value", path: ["spec", "targetRef", "name"], found, expected });
    return [];
  }
  return ports.map((port) => toEntry(key, port, document, policy));
}

function toEntry(service: string, port: number, document: TrafficPolicyDocument, policy: RequestPolicy): RouteEntry {
  const backends = [{ service, port, weight: 1 }];
  return {
    key: routeKey(service, port, undefined),
    service,
    port,
    kind: "TrafficPolicy",
    rules: [{ route: nameOfPolicy(document), index: 0, backends, ...policy }],
    matches: [{ rule: 0, index: 0, path: { type: "prefix", value: "" } }],
  };
}

/** Slow start, spill-over and shares that grow again are as good for connections that nobody looks into. */
function choosesByRequests({ spec: { loadBalancer, ejection } }: TrafficPolicyDocument): boolean {
  const { consecutiveErrors, successShare, latency } = ejection ?? {};
  return [loadBalancer?.hash, consecutiveErrors, successShare, latency].some((part) => part !== undefined);
}

/** All TCP ports, but those that say that they are something else, where the policy does not know better. */
function portsOfRequests({ spec }: ServiceDocument, policy: TrafficPolicyDocument): readonly number[] {
  const known = policy.spec.protocol !== undefined;
  return spec.ports
    .filter(({ protocol }) => protocol === "TCP")
    .filter((port) => known || choosePortProtocol(port, undefined).protocol !== "bytes")
    .map(({ port }) => port);
}
