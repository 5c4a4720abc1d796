/**
 * Which version of HTTP is spoken with a Service's endpoints: what its port says (a TrafficPolicy's word first, then
 * `appProtocol`; KEP-3726, and the names that Istio and Linkerd know), else the one that the client speaks.
 */
import type { ServiceEntry } from "../../../protocol/table.ts";

const VERSIONS: ReadonlyMap<string, 1 | 2> = new Map([
  ["kubernetes.io/h2c", 2],
  ["h2c", 2],
  ["http2", 2],
  ["grpc", 2],
  ["http", 1],
  ["http/1.1", 1],
  // A WebSocket begins as HTTP/1.1.
  ["ws", 1],
  ["kubernetes.io/ws", 1],
]);

export function upstreamVersion(client: 1 | 2, { ports }: ServiceEntry, number: number): 1 | 2 {
  const port = ports.find((each) => each.port === number);
  const said = port?.policyProtocol ?? port?.appProtocol;
  return (said === undefined ? undefined : VERSIONS.get(said.toLowerCase())) ?? client;
}
