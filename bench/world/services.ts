/** What the callers call on the other node: pods of cluster.yaml and their ports. */

/** `http`: the same server as `calls`, but the proxy on the callers' node reads each request and chooses by its path. */
export const SERVICES = [
  { name: "calls", pod: "bench/far", port: 8_080 },
  { name: "bulk", pod: "bench/bulk", port: 5_201 },
  { name: "idle", pod: "bench/idle", port: 9_000 },
  { name: "greeting", pod: "bench/mariadb", port: 3_306 },
  { name: "http", pod: "bench/far", port: 8_080 },
] as const;

export type ServiceName = (typeof SERVICES)[number]["name"];

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Of the Service with an HTTPRoute, see cluster.yaml: only a Service has routes, so it is called by this address. */
export const ROUTED_SERVICE: Endpoint = { host: "10.96.0.80", port: 80 };
/** Under the prefix that the route, and those of the peers, match. */
export const ROUTED_PATH = "/api/hello";

export const CLIENT_POD = "bench/client";
export const SECOND_CLIENT_POD = "bench/client-2";
export const FAR_POD = "bench/far";
/** On the callers' own node. */
export const NEAR_POD = "bench/near";
export const CLIENT_NODE = "node-1";
export const SERVER_NODE = "node-2";
