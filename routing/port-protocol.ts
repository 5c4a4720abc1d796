/**
 * What the clients of a Service port with routes speak: HTTP, some other bytes, or nobody said, and their first bytes have to
 * tell. Pure. The first of these that says something counts:
 *
 *   TrafficPolicy `protocol` -> `appProtocol` -> a GRPCRoute -> the port's name (`http-web`, `mysql`) -> detection
 *
 * An HTTPRoute alone does not say it: one without a port is attached to all ports of its Service, its database's too.
 */
import type { RulesKind } from "../protocol/route-table.ts";
import type { ServicePort } from "../protocol/table.ts";

export type PortProtocol = "http" | "bytes" | "detect";

export interface ProtocolChoice {
  readonly protocol: PortProtocol;
  /** For a person: `appProtocol kubernetes.io/h2c`. */
  readonly why: string;
}

/** HTTP in clear, as KEP-3726, Istio and Linkerd name it. */
const HTTP = new Set([
  "http",
  "http/1.1",
  "http2",
  "h2c",
  "grpc",
  "grpc-web",
  "ws",
  "kubernetes.io/h2c",
  "kubernetes.io/ws",
]);
/** Names of ports that say something else, as Istio has them; TLS is for the two ends alone. */
const BYTES = new Set(["tcp", "tls", "https", "mongo", "mysql", "redis"]);
/** Of two words; others end at their first hyphen. */
const GRPC_WEB = /^grpc-web(?:-|$)/;

/** What a port says of itself, in a document or in the table. */
export interface PortWords {
  readonly name?: string | undefined;
  readonly appProtocol?: string | undefined;
  readonly policyProtocol?: ServicePort["policyProtocol"];
}

export function choosePortProtocol(port: PortWords, kind: RulesKind | undefined): ProtocolChoice {
  const { policyProtocol, appProtocol, name = "" } = port;
  if (policyProtocol !== undefined) {
    return {
      protocol: policyProtocol === "tcp" ? "bytes" : "http",
      why: `TrafficPolicy with protocol ${policyProtocol}`,
    };
  }
  // What is no name of HTTP is the name of something else: mysql, postgresql, kubernetes.io/wss.
  if (appProtocol !== undefined) {
    return { protocol: HTTP.has(appProtocol.toLowerCase()) ? "http" : "bytes", why: `appProtocol ${appProtocol}` };
  }
  if (kind === "GRPCRoute") return { protocol: "http", why: "GRPCRoute" };
  const prefix = GRPC_WEB.test(name) ? "grpc-web" : (name.split("-", 1)[0] ?? "");
  if (HTTP.has(prefix)) return { protocol: "http", why: `port name ${name}` };
  if (BYTES.has(prefix)) return { protocol: "bytes", why: `port name ${name}` };
  return { protocol: "detect", why: "nothing says what the port is" };
}
