import test from "ava";
import { type ParentRef, reduceRoute, type Route } from "../../../../controller/kubernetes/route-objects.ts";
import { ROUTE_CONTROLLER_NAME, wantedParents } from "../../../../controller/kubernetes/route-status.ts";
import type { RouteStatus } from "../../../../protocol/route-status.ts";

const NOW_MS = Date.UTC(2026, 0, 31, 12);
const TO_SERVICE: ParentRef = { group: "", kind: "Service", name: "catalog", port: 80 };

function route(parts: Partial<Route> = {}): Route {
  return {
    kind: "HTTPRoute",
    namespace: "shop",
    name: "r",
    resourceVersion: "5",
    generation: 3,
    parentRefs: [TO_SERVICE],
    parents: [],
    ...parts,
  };
}

/** As the compiler gives it: of every reference to a Service the same. */
function statusWith(resolved: "True" | "False", refs: readonly ParentRef[] = [TO_SERVICE]): RouteStatus {
  return {
    kind: "HTTPRoute",
    namespace: "shop",
    name: "r",
    generation: 3,
    parents: refs.map((ref) => ({
      parentRef: { group: "", kind: "Service", ...ref },
      conditions: [
        { type: "Accepted", status: "True", reason: "Accepted", message: "HTTPRoute holds" },
        {
          type: "ResolvedRefs",
          status: resolved,
          reason: resolved === "True" ? "ResolvedRefs" : "BackendNotFound",
          message: "backends",
        },
      ],
    })),
  };
}

test("a route of a Service is told what became of it, for the generation that was looked at", (t) => {
  const [parent, ...more] = wantedParents(route(), statusWith("False"), NOW_MS) ?? [];
  t.deepEqual(more, []);
  t.deepEqual(parent?.parentRef, TO_SERVICE);
  t.is(parent?.controllerName, "hawser.dev/mesh-controller");
  const [accepted, resolved] = parent?.conditions ?? [];
  t.deepEqual(accepted, {
    type: "Accepted",
    status: "True",
    reason: "Accepted",
    message: "HTTPRoute holds",
    observedGeneration: 3,
    lastTransitionTime: "2026-01-31T12:00:00Z",
  });
  t.like(resolved, { type: "ResolvedRefs", status: "False", reason: "BackendNotFound" });
});

test("a route that cannot be read is not accepted, and told why", (t) => {
  const [parent] = wantedParents(route({ problem: "spec.rules[0].magic: unknown key" }), undefined, NOW_MS) ?? [];
  t.is(parent?.conditions.length, 1);
  t.like(parent?.conditions[0], {
    type: "Accepted",
    status: "False",
    reason: "UnsupportedValue",
    message: "spec.rules[0].magic: unknown key",
  });
});

test("a Gateway as parent is nobody's here, an entry of ours without its parent goes, others' stay in place", (t) => {
  const gateway: ParentRef = { name: "gateway" };
  const other = { parentRef: gateway, controllerName: "example.com/gateway", conditions: [] };
  t.is(wantedParents(route({ parentRefs: [gateway], parents: [other] }), undefined, NOW_MS), undefined);
  const [ours] = wantedParents(route(), statusWith("True"), NOW_MS) ?? [];
  t.truthy(ours);
  const gone = route({ parentRefs: [gateway], parents: [other, ours as never] });
  t.deepEqual(wantedParents(gone, undefined, NOW_MS), [other]);
  const both = wantedParents(
    route({ parentRefs: [gateway, TO_SERVICE], parents: [other] }),
    statusWith("True"),
    NOW_MS,
  );
  t.deepEqual(
    both?.map(({ controllerName }) => controllerName),
    ["example.com/gateway", ROUTE_CONTROLLER_NAME],
  );
  t.is(both?.[0], other);
});

test("the same again is nothing to write; another generation is, with the time of the last transition", (t) => {
  const parents = wantedParents(route(), statusWith("True"), NOW_MS) ?? [];
  t.is(wantedParents(route({ parents }), statusWith("True"), NOW_MS + 60_000), undefined);
  const timesOf = (status: RouteStatus, generation: number) =>
    wantedParents(route({ parents, generation }), status, NOW_MS + 60_000)?.[0]?.conditions.map(
      ({ observedGeneration, lastTransitionTime }) => [observedGeneration, lastTransitionTime],
    );
  t.deepEqual(timesOf(statusWith("True"), 4), [
    [4, "2026-01-31T12:00:00Z"],
    [4, "2026-01-31T12:00:00Z"],
  ]);
  t.deepEqual(timesOf(statusWith("False"), 3), [
    [3, "2026-01-31T12:00:00Z"],
    [3, "2026-01-31T12:01:00Z"],
  ]);
});

const OBJECT = {
  metadata: { name: "r", namespace: "shop", generation: 2, resourceVersion: "7", labels: { a: "b" } },
  spec: {
    parentRefs: [TO_SERVICE],
    rules: [{ backendRefs: [{ group: "", kind: "Service", name: "a", port: 80, weight: 1 }] }],
  },
};

test("a route of a Service becomes a document, which stays the same object until it changes", (t) => {
  const first = reduceRoute("HTTPRoute", OBJECT);
  t.is(first.problem, undefined);
  t.is(first.document?.source.file, "HTTPRoute shop/r");
  t.is(first.document?.metadata.generation, 2);
  t.is(first.document?.spec.rules[0]?.backendRefs[0]?.name, "a");
  const newer = { ...OBJECT, metadata: { ...OBJECT.metadata, resourceVersion: "8" } };
  t.is(reduceRoute("HTTPRoute", newer, first).document, first.document);
  const changed = { ...OBJECT, metadata: { ...OBJECT.metadata, generation: 3 } };
  t.not(reduceRoute("HTTPRoute", changed, first).document, first.document);
});

test("a route of Gateways is not read; one that says what is not known is, and told", (t) => {
  const gateway = reduceRoute("HTTPRoute", { ...OBJECT, spec: { parentRefs: [{ name: "edge" }], magic: 1 } });
  t.deepEqual([gateway.document, gateway.problem], [undefined, undefined]);
  const unknown = reduceRoute("HTTPRoute", { ...OBJECT, spec: { ...OBJECT.spec, magic: 1 } });
  t.is(unknown.document, undefined);
  t.regex(unknown.problem ?? "", /^spec\.magic: unknown key/);
  t.deepEqual(reduceRoute("GRPCRoute", { metadata: { name: "r" } }).parentRefs, []);
});
