/**
 * Where routes are attached: which ports of which Services, for whom, and what becomes of routes that want the same.
 *
 * A route in its Service's namespace is a producer's and for everyone; in another namespace it is a consumer's, for that
 * namespace's callers alone. A GRPCRoute keeps the HTTPRoutes of the same group off a port; it never reaches into another
 * group, so that no namespace can take a route from another one.
 */
import type { GrpcRouteDocument, HttpRouteDocument, ServiceDocument } from "../../protocol/documents/document.ts";
import type { AcceptedReason, RouteParentRef } from "../../protocol/route-status.ts";
import { someOf } from "../compile-problems.ts";
import { routeKey } from "./route-key.ts";

export type RouteDocument = HttpRouteDocument | GrpcRouteDocument;

/** One reference of a route to a Service. */
export interface RouteParent {
  readonly route: RouteDocument;
  /** Position in `spec.parentRefs`. */
  readonly index: number;
  readonly ref: RouteParentRef;
  readonly service: string;
  readonly consumer: string | undefined;
  /** On which the route holds. */
  readonly ports: readonly number[];
  readonly reason: AcceptedReason;
  readonly message: string;
  /** Key of the reference that is wrong. */
  readonly wrongKey?: "name" | "port" | "sectionName";
}

/** References to Services only: the others are not the mesh's. */
export function attachRoutes(
  routes: readonly RouteDocument[],
  services: ReadonlyMap<string, ServiceDocument>,
): readonly RouteParent[] {
  const parents = routes.flatMap((route) =>
    route.spec.parentRefs.flatMap((ref, index) =>
      ref.kind === "Service" && ref.group === "" ? [attach(route, index, toRef(ref), services)] : [],
    ),
  );
  const grpcPorts = new Set(parents.filter(({ route }) => route.kind === "GRPCRoute").flatMap(groupsOf));
  return parents.map((parent) => (parent.route.kind === "GRPCRoute" ? parent : withoutGrpc(parent, grpcPorts)));
}

/** What routes of one kind share. */
function groupsOf({ service, consumer, ports }: RouteParent): readonly string[] {
  return ports.map((port) => routeKey(service, port, consumer));
}

type ParentRefDocument = RouteDocument["spec"]["parentRefs"][number];

function toRef({ group, kind, name, namespace, sectionName, port }: ParentRefDocument): RouteParentRef {
  return {
    group,
    kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(sectionName === undefined ? {} : { sectionName }),
    ...(port === undefined ? {} : { port }),
  };
}

function attach(
  route: RouteDocument,
  index: number,
  ref: RouteParentRef,
  services: ReadonlyMap<string, ServiceDocument>,
): RouteParent {
  const { namespace } = route.metadata;
  const service = `${ref.namespace ?? namespace}/${ref.name}`;
  const consumer = ref.namespace === undefined || ref.namespace === namespace ? undefined : namespace;
  const parent = { route, index, ref, service, consumer };
  const document = services.get(service);
  if (document === undefined) return { ...parent, ...missing(`Service ${service} does not exist`, "name") };
  const undialled = whyUndialled(document);
  if (undialled !== undefined) return { ...parent, ...missing(`Service ${service} ${undialled}`, "name") };
  const tcp = document.spec.ports.filter(({ protocol }) => protocol === "TCP");
  const ports = tcp.filter((port) => isMeant(ref, port)).map(({ port }) => port);
  if (ports.length > 0) return { ...parent, ports, reason: "Accepted", message: acceptedMessage(route, consumer) };
  const wrongKey = ref.port !== undefined && !tcp.some(({ port }) => port === ref.port) ? "port" : "sectionName";
  const known = someOf(tcp.map(({ name, port }) => (name === undefined ? String(port) : `${name} ${port}`)));
  const told = `Service ${service} has no such TCP port (it has ${known})`;
  return { ...parent, ...missing(told, ref.port === undefined && ref.sectionName === undefined ? "name" : wrongKey) };
}

function missing(message: string, wrongKey: "name" | "port" | "sectionName") {
  return { ports: [], reason: "NoMatchingParent", message, wrongKey } as const;
}

/** Only what has an address of its own can be dialled as a Service (GEP-1294, Allowed service types). */
export function whyUndialled({ spec }: ServiceDocument): string | undefined {
  if (spec.type === "ExternalName") return "is a name of something outside (ExternalName), it has no address";
  const headless = spec.clusterIP === "None" || spec.clusterIPs?.includes("None") === true;
  return headless ? "is headless, it has no address of its own" : undefined;
}

function isMeant({ port, sectionName }: RouteParentRef, candidate: ServiceDocument["spec"]["ports"][number]): boolean {
  return (
    (port === undefined || port === candidate.port) && (sectionName === undefined || sectionName === candidate.name)
  );
}

function acceptedMessage({ kind, spec }: RouteDocument, consumer: string | undefined): string {
  const who = consumer === undefined ? "callers of every namespace" : `callers of namespace ${consumer}`;
  const hosts =
    spec.hostnames.length === 0 ? "" : "; hostnames have no effect on a Service, match the header Host instead";
  return `${kind} holds for ${who}${hosts}`;
}

function withoutGrpc(parent: RouteParent, taken: ReadonlySet<string>): RouteParent {
  const ports = parent.ports.filter((port) => !taken.has(routeKey(parent.service, port, parent.consumer)));
  if (ports.length === parent.ports.length) return parent;
  const lost = parent.ports.filter((port) => !ports.includes(port)).join(", ");
  if (ports.length > 0)
    return { ...parent, ports, message: `${parent.message}; not on port ${lost}, which has a GRPCRoute` };
  const message = `port ${lost} of Service ${parent.service} has a GRPCRoute, which goes before an HTTPRoute`;
  return { ...parent, ports, reason: "Conflicted", message };
}
