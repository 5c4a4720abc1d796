/**
 * What the status of a route must say of Hawser (Gateway API, RouteParentStatus; GEP-1294 for Services as parents). Pure.
 * What became of a route, the compiler of routes says; entries of other controllers are passed on untouched.
 */
import { isDeepStrictEqual } from "node:util";
import type { RouteCondition as RouteVerdict, RouteStatus } from "../../protocol/route-status.ts";
import {
  isServiceRef,
  type ParentRef,
  type Route,
  type RouteCondition,
  type RouteParentStatus,
} from "./route-objects.ts";

export const ROUTE_CONTROLLER_NAME = "hawser.dev/mesh-controller";

/** RouteStatus.parents takes no more. */
const MAX_PARENTS = 32;

type Verdict = Pick<RouteCondition, "type" | "status" | "reason" | "message">;

/**
 * All of `status.parents` as it is to be; undefined when that is what it is. `status`: of the route's document; undefined
 * when it could not be read. `nowMs` for conditions that change.
 */
export function wantedParents(
  route: Route,
  status: RouteStatus | undefined,
  nowMs: number,
): readonly RouteParentStatus[] | undefined {
  const others = route.parents.filter(({ controllerName }) => controllerName !== ROUTE_CONTROLLER_NAME);
  const refs = route.parentRefs.filter(isServiceRef);
  // The compiler has the same references in the same order, with defaults filled in.
  const ours = refs.map((ref, index) =>
    parentStatus(route, ref, status?.parents[index]?.conditions ?? unread(route), nowMs),
  );
  const wanted = [...others, ...ours].slice(0, MAX_PARENTS);
  const before = [...others, ...route.parents.filter(({ controllerName }) => controllerName === ROUTE_CONTROLLER_NAME)];
  return isDeepStrictEqual(wanted, before) ? undefined : wanted;
}

function unread({ problem = "It cannot be read" }: Route): readonly Verdict[] {
  return [{ type: "Accepted", status: "False", reason: "UnsupportedValue", message: problem }];
}

function parentStatus(
  route: Route,
  parentRef: ParentRef,
  verdicts: readonly (Verdict | RouteVerdict)[],
  nowMs: number,
): RouteParentStatus {
  const known = route.parents.find(
    (parent) => parent.controllerName === ROUTE_CONTROLLER_NAME && isDeepStrictEqual(parent.parentRef, parentRef),
  );
  const conditions = verdicts.map((verdict): RouteCondition => {
    const before = known?.conditions.find((one) => one.type === verdict.type);
    const isSame = before?.status === verdict.status;
    return {
      ...verdict,
      observedGeneration: route.generation,
      // Only a change of the status is a transition (metav1.Condition).
      lastTransitionTime: isSame ? before.lastTransitionTime : timeOf(nowMs),
    };
  });
  return { parentRef, controllerName: ROUTE_CONTROLLER_NAME, conditions };
}

/** metav1.Time has no fractions of seconds. */
function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
