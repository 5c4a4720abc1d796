/**
 * Routes and policies of the cluster that is measured: what a team writes about its Service. Route number n is attached to
 * Service n; every fifth is a GRPCRoute, every fourth has a policy of its own. Services after the last route have policies.
 */
import { serviceName } from "./cluster-files.ts";

/** `weight`: of the second backend, what a rollout changes. */
export function routeText(route: number, weight: number): string {
  const service = serviceName(route);
  const other = serviceName(route + 1);
  const kind = isGrpc(route) ? "GRPCRoute" : "HTTPRoute";
  const match = isGrpc(route)
    ? `method: { service: bench.Service${route} }`
    : "path: { type: PathPrefix, value: /api }";
  return `apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${routeName(route)}, namespace: bench }
spec:
  parentRefs: [{ group: "", kind: Service, name: ${service}, port: 80 }]
  rules:
    - name: canary
      matches: [{ ${match} }, { headers: [{ name: x-canary, value: always }] }]
      filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: x-route, value: canary }] } }]
      backendRefs: [{ name: ${service}, port: 80, weight: 90 }, { name: ${other}, port: 80, weight: ${weight} }]
    - backendRefs: [{ name: ${service}, port: 80 }]
`;
}

/** A policy of the route. */
export function routePolicyText(route: number, seconds: number): string {
  const kind = isGrpc(route) ? "GRPCRoute" : "HTTPRoute";
  return policyText(`${routeName(route)}-policy`, kind, routeName(route), seconds);
}

/** A policy of the Service. */
export function servicePolicyText(service: number, seconds: number): string {
  return policyText(`${serviceName(service)}-policy`, "Service", serviceName(service), seconds);
}

export function hasRoutePolicy(route: number): boolean {
  return route % 4 === 0;
}

function routeName(route: number): string {
  return `route-${route}`;
}

function isGrpc(route: number): boolean {
  return route % 5 === 0;
}

function policyText(name: string, kind: string, target: string, seconds: number): string {
  return `apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: ${name}, namespace: bench }
spec:
  targetRef: { ${kind === "Service" ? "" : "group: gateway.networking.k8s.io, "}kind: ${kind}, name: ${target} }
  timeouts: { request: ${seconds}s }
  retries: { attempts: 2, on: [connect-failure, gateway-error] }
`;
}
