/**
 * The shape of a table that came over the wire or from a disk, checked before it is used. Keys that are not known yet
 * are dropped, so that an older agent can read a newer controller's table.
 */
import ipaddr from "ipaddr.js";
import * as z from "zod";
import type { TableDelta, TableSnapshot } from "../protocol/table.ts";
import { normalizeAddress } from "./address.ts";
import { RoutingError } from "./routing-error.ts";
import { SharedValues } from "./shared-values.ts";
import { routeSchema, valueSource } from "./validate-routes.ts";

/** Throws RoutingError `invalid-message`, with the first few problems. */
export function parseSnapshot(value: unknown): TableSnapshot {
  return parse(snapshotSchema(), value, "snapshot");
}

/** Throws RoutingError `invalid-message`, with the first few problems. */
export function parseDelta(value: unknown): TableDelta {
  return parse(deltaSchema, value, "delta");
}

const portNumber = z.int().min(1).max(65535);
const address = z.string().refine((text) => normalizeAddress(text) !== undefined, "expected an IP address");
const cidr = z.string().refine((text) => ipaddr.isValidCIDR(text), "expected a CIDR");
const name = z.string().min(1);
const locality = z.enum(["prefer-local", "prefer-zone", "spread"]);
const loadBalancer = z.enum(["least-request", "peak-ewma", "round-robin", "random", "source-hash", "hash"]);

const ejection = z.object({
  consecutiveFailures: z.int().min(0),
  baseEjectionMs: z.number().min(0),
  maxEjectionMs: z.number().min(0),
  maxEjectionPercent: z.number().min(0).max(100),
});

const mesh = z.object({
  trustDomain: name,
  encryption: z.enum(["strict", "permissive"]),
  locality,
  loadBalancer,
  ejection,
  exclude: z.object({ ports: z.array(portNumber), cidrs: z.array(cidr), namespaces: z.array(name) }),
});

const node = z.object({
  name,
  addresses: z.array(address),
  podCidrs: z.array(cidr),
  zone: name.exactOptional(),
  agent: z.boolean(),
});

const state = z.enum(["ready", "draining", "unready"]);

const workload = z.object({
  uid: name,
  namespace: name,
  name,
  workload: name,
  node: name,
  addresses: z.array(address),
  serviceAccount: name,
  labels: z.record(z.string(), z.string()),
  mesh: z.boolean(),
  state,
});

const percent = z.number().min(0).max(100);
const requests = z.int().min(1);
const ms = z.number().min(0);

const outlier = z.object({
  consecutiveErrors: z.int().min(1).exactOptional(),
  successShare: z.object({ percent, minRequests: requests, intervalMs: ms }).exactOptional(),
  latency: z.object({ factor: z.number().min(1), minRequests: requests, intervalMs: ms }).exactOptional(),
  returnMs: ms.exactOptional(),
});

const service = z.object({
  key: name,
  namespace: name,
  name,
  clusterIps: z.array(address),
  ports: z.array(
    z.object({
      name: z.string(),
      port: portNumber,
      protocol: z.enum(["TCP", "UDP"]),
      appProtocol: z.string().exactOptional(),
      policyProtocol: z.enum(["http", "http2", "grpc", "tcp"]).exactOptional(),
    }),
  ),
  locality: locality.exactOptional(),
  loadBalancer: loadBalancer.exactOptional(),
  ejection: ejection.exactOptional(),
  hash: valueSource.exactOptional(),
  outlier: outlier.exactOptional(),
  slowStart: z.object({ windowMs: ms, minPercent: percent }).exactOptional(),
  spillOver: z.object({ minHealthyPercent: percent }).exactOptional(),
  honorsRetryAfter: z.boolean().exactOptional(),
  internalTrafficPolicy: z.literal("Local").exactOptional(),
});

const anyEndpoint = z.object({
  key: name,
  service: name,
  // JSON knows only text as keys.
  ports: z.record(z.string().regex(/^[1-9][0-9]{0,4}$/), portNumber),
  weight: z.int().min(0).max(1000),
  state: state.exactOptional(),
  forZones: z.array(name).exactOptional(),
  forNodes: z.array(name).exactOptional(),
});
const outsideEndpoint = { address, node: name.exactOptional(), zone: name.exactOptional() };
const endpoint = z.union([anyEndpoint.extend({ workload: name }), anyEndpoint.extend(outsideEndpoint)]);

const position = { epoch: name, sequence: z.int().min(0) };

/** Entries are made small as soon as they are read: ten thousand at once as zod leaves them are 25 MB. */
function snapshotSchema(): z.ZodType<TableSnapshot> {
  const shared = new SharedValues();
  return z.object({
    ...position,
    mesh,
    nodes: z.array(node),
    workloads: z.array(workload.transform((entry) => shared.entry("workload", entry))),
    services: z.array(service),
    endpoints: z.array(endpoint.transform((entry) => shared.entry("endpoint", entry))),
    // Of a version that knew none.
    routes: z.array(routeSchema).default([]),
  });
}

const keys = z.array(name).exactOptional();

const deltaSchema: z.ZodType<TableDelta> = z.object({
  ...position,
  mesh: mesh.exactOptional(),
  upserts: z.object({
    node: z.array(node).exactOptional(),
    workload: z.array(workload).exactOptional(),
    service: z.array(service).exactOptional(),
    endpoint: z.array(endpoint).exactOptional(),
    route: z.array(routeSchema).exactOptional(),
  }),
  removals: z.object({ node: keys, workload: keys, service: keys, endpoint: keys, route: keys }),
});

/** The rest follows from the first few as a rule, and the message travels to the controller's log. */
const MOST_PROBLEMS = 5;

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  const shown = issues.slice(0, MOST_PROBLEMS).map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  const more = issues.length > MOST_PROBLEMS ? `; and ${issues.length - MOST_PROBLEMS} more` : "";
  throw new RoutingError("invalid-message", `Cannot use a ${what} that is not one: ${shown.join("; ")}${more}`);
}
