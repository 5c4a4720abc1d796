/**
 * What the status of a route must say of Hawser (Gateway API, RouteParentStatus; GEP-1294 for Services as parents). Pure.
 *
 * This version carries calls at layer 4 and does not route HTTP: a route that is attached to a Service is told so, as not
 * accepted, while its references are judged as the API wants it. Entries of other controllers are passed on untouched.
 */
import { isDeepStrictEqual } from "node:util";
import type { BackendRef, Grant, ParentRef, Route, RouteCondition, RouteParentStatus } from "./route-objects.ts";

export const ROUTE_CONTROLLER_NAME = "hawser.dev/mesh-controller";

/** RouteStatus.parents takes no more. */
const MAX_PARENTS = 32;

const GATEWAY_GROUP = "gateway.networking.k8s.io";

const NOT_ROUTED =
  "Calls to this Service are carried at layer 4: this version of Hawser does not route HTTP or gRPC, and the route has no effect";

export interface RouteFacts {
  hasService(namespace: string, name: string): boolean;
  readonly grants: Iterable<Grant>;
}

/** All of `status.parents` as it is to be; undefined when that is what it is. `nowMs` for conditions that change. */
export function wantedParents(
  route: Route,
  facts: RouteFacts,
  nowMs: number,
): readonly RouteParentStatus[] | undefined {
  const others = route.parents.filter(({ controllerName }) => controllerName !== ROUTE_CONTROLLER_NAME);
  const refs = route.parentRefs.filter(isService);
  const reference = refs.length === 0 ? undefined : judgeReferences(route, facts);
  const ours = refs.map((parentRef) => parentStatus(route, parentRef, reference, nowMs));
  const wanted = [...others, ...ours].slice(0, MAX_PARENTS);
  const before = [...others, ...route.parents.filter(({ controllerName }) => controllerName === ROUTE_CONTROLLER_NAME)];
  return isDeepStrictEqual(wanted, before) ? undefined : wanted;
}

/** Everything else, Gateways above all, is for other controllers. */
function isService({ group = GATEWAY_GROUP, kind = "Gateway" }: ParentRef): boolean {
  return group === "" && kind === "Service";
}

interface Judgement {
  readonly status: "True" | "False";
  readonly reason: "ResolvedRefs" | "RefNotPermitted" | "InvalidKind" | "BackendNotFound";
  readonly message: string;
}

function parentStatus(
  route: Route,
  parentRef: ParentRef,
  references: Judgement = RESOLVED,
  nowMs: number,
): RouteParentStatus {
  const known = route.parents.find(
    (parent) => parent.controllerName === ROUTE_CONTROLLER_NAME && isDeepStrictEqual(parent.parentRef, parentRef),
  );
  const condition = (type: string, judgement: Omit<RouteCondition, "type" | "lastTransitionTime">): RouteCondition => {
    const before = known?.conditions.find((one) => one.type === type);
    const isSame = before?.status === judgement.status;
    return {
      type,
      ...judgement,
      observedGeneration: route.generation,
      // Only a change of the status is a transition (metav1.Condition).
      lastTransitionTime: isSame ? before.lastTransitionTime : timeOf(nowMs),
    };
  };
  return {
    parentRef,
    controllerName: ROUTE_CONTROLLER_NAME,
    conditions: [
      condition("Accepted", { status: "False", reason: "UnsupportedValue", message: NOT_ROUTED }),
      condition("ResolvedRefs", references),
    ],
  };
}

const RESOLVED: Judgement = { status: "True", reason: "ResolvedRefs", message: "All references are resolved" };

/** The first reference that is not resolved decides: one reason is all that a condition has room for. */
function judgeReferences(route: Route, facts: RouteFacts): Judgement {
  for (const ref of route.backendRefs) {
    const judgement = judgeReference(route, ref, facts);
    if (judgement !== undefined) return judgement;
  }
  return RESOLVED;
}

function judgeReference(route: Route, ref: BackendRef, facts: RouteFacts): Judgement | undefined {
  const { group = "", kind = "Service", name, namespace = route.namespace } = ref;
  if (group !== "" || kind !== "Service") {
    return unresolved("InvalidKind", `Backend ${name} is a ${kind} of group "${group}", only Services are known here`);
  }
  // First what may be known at all: whether a Service is there is not told to who may not refer to it.
  if (namespace !== route.namespace && !isGranted(route, namespace, name, facts.grants)) {
    return unresolved("RefNotPermitted", `No ReferenceGrant in ${namespace} lets this route refer to Service ${name}`);
  }
  if (facts.hasService(namespace, name)) return undefined;
  return unresolved("BackendNotFound", `There is no Service ${name} in namespace ${namespace}`);
}

function isGranted(route: Route, namespace: string, name: string, grants: Iterable<Grant>): boolean {
  for (const grant of grants) {
    if (grant.namespace !== namespace) continue;
    const isFrom = grant.from.some(
      (from) => from.group === GATEWAY_GROUP && from.kind === route.kind && from.namespace === route.namespace,
    );
    const isTo = grant.to.some(
      (to) => to.group === "" && to.kind === "Service" && (to.name === undefined || to.name === "" || to.name === name),
    );
    if (isFrom && isTo) return true;
  }
  return false;
}

function unresolved(reason: Judgement["reason"], message: string): Judgement {
  return { status: "False", reason, message };
}

/** metav1.Time has no fractions of seconds. */
function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
