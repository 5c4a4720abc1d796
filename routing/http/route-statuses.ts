/** What became of routes -> their conditions, a status per reference to a Service. */
import type { RouteCondition, RouteParentStatus, RouteStatus } from "../../protocol/route-status.ts";
import type { RouteParts } from "./compile-rules.ts";
import type { BackendFault } from "./resolve-backends.ts";
import type { RouteDocument, RouteParent } from "./route-parents.ts";

export function routeStatuses(
  parents: readonly RouteParent[],
  faultsOf: ReadonlyMap<RouteDocument, Pick<RouteParts, "faults">>,
): readonly RouteStatus[] {
  const byRoute = Map.groupBy(parents, ({ route }) => route);
  return [...faultsOf].map(([route, { faults }]) => {
    const { namespace, name, generation } = route.metadata;
    const own = byRoute.get(route) ?? [];
    return {
      kind: route.kind,
      namespace,
      name,
      ...(generation === undefined ? {} : { generation }),
      parents: own.map((parent) => toParentStatus(parent, faults)),
    };
  });
}

function toParentStatus({ ref, reason, message }: RouteParent, faults: readonly BackendFault[]): RouteParentStatus {
  const status = reason === "Accepted" ? "True" : "False";
  return { parentRef: ref, conditions: [{ type: "Accepted", status, reason, message }, resolvedRefs(faults)] };
}

function resolvedRefs([fault]: readonly BackendFault[]): RouteCondition {
  if (fault === undefined) {
    return { type: "ResolvedRefs", status: "True", reason: "ResolvedRefs", message: "all backends are there" };
  }
  const message = `expected ${fault.expected}, found ${fault.found}`;
  return { type: "ResolvedRefs", status: "False", reason: fault.problem, message };
}
