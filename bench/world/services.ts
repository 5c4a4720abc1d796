/** What the callers call on the other node: pods of cluster.yaml and their ports. */

export const SERVICES = [
  { name: "calls", pod: "bench/far", port: 8_080 },
  { name: "bulk", pod: "bench/bulk", port: 5_201 },
  { name: "idle", pod: "bench/idle", port: 9_000 },
  { name: "greeting", pod: "bench/mariadb", port: 3_306 },
] as const;

export type ServiceName = (typeof SERVICES)[number]["name"];

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export const CLIENT_POD = "bench/client";
export const SECOND_CLIENT_POD = "bench/client-2";
export const FAR_POD = "bench/far";
/** On the callers' own node. */
export const NEAR_POD = "bench/near";
export const CLIENT_NODE = "node-1";
export const SERVER_NODE = "node-2";
