import test from "ava";
import type { BackendRef, Grant, ParentRef, Route } from "../../../../controller/kubernetes/route-objects.ts";
import { reduceRoute } from "../../../../controller/kubernetes/route-objects.ts";
import { ROUTE_CONTROLLER_NAME, wantedParents } from "../../../../controller/kubernetes/route-status.ts";

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
    backendRefs: [],
    parents: [],
    ...parts,
  };
}

function factsWith(services: readonly string[], grants: readonly Grant[] = []) {
  return { hasService: (namespace: string, name: string) => services.includes(`${namespace}/${name}`), grants };
}

function referencesOf(ref: BackendRef, services: readonly string[], grants: readonly Grant[] = []): unknown[] {
  const parents = wantedParents(route({ backendRefs: [ref] }), factsWith(services, grants), NOW_MS);
  const condition = parents?.[0]?.conditions.find(({ type }) => type === "ResolvedRefs");
  return [condition?.status, condition?.reason];
}

test("a route of a Service is told that it is not accepted, and why", (t) => {
  const [parent, ...more] = wantedParents(route(), factsWith([]), NOW_MS) ?? [];
  t.deepEqual(more, []);
  t.deepEqual(parent?.parentRef, TO_SERVICE);
  t.is(parent?.controllerName, "hawser.dev/mesh-controller");
  const [accepted, resolved] = parent?.conditions ?? [];
  t.like(accepted, {
    type: "Accepted",
    status: "False",
    reason: "UnsupportedValue",
    observedGeneration: 3,
    lastTransitionTime: "2026-01-31T12:00:00Z",
  });
  t.regex(accepted?.message ?? "", /layer 4/);
  t.like(resolved, { type: "ResolvedRefs", status: "True", reason: "ResolvedRefs" });
});

test("references are judged: not there, of a kind that is not known, in a namespace that does not permit it", (t) => {
  t.deepEqual(referencesOf({ name: "a" }, ["shop/a"]), ["True", "ResolvedRefs"]);
  t.deepEqual(referencesOf({ name: "a" }, ["other/a"]), ["False", "BackendNotFound"]);
  t.deepEqual(referencesOf({ group: "example.com", kind: "Bucket", name: "a" }, ["shop/a"]), ["False", "InvalidKind"]);
  t.deepEqual(referencesOf({ name: "a", namespace: "other" }, ["other/a"]), ["False", "RefNotPermitted"]);
});

test("a grant permits what it names, to whom it names", (t) => {
  const from = [{ group: "gateway.networking.k8s.io", kind: "HTTPRoute", namespace: "shop" }];
  const ref = { name: "a", namespace: "other" };
  const to = (grant: Partial<Grant>): unknown[] =>
    referencesOf(ref, ["other/a"], [{ namespace: "other", from, to: [{ group: "", kind: "Service" }], ...grant }]);
  t.deepEqual(to({}), ["True", "ResolvedRefs"]);
  t.deepEqual(to({ to: [{ group: "", kind: "Service", name: "a" }] }), ["True", "ResolvedRefs"]);
  t.deepEqual(to({ to: [{ group: "", kind: "Service", name: "b" }] }), ["False", "RefNotPermitted"]);
  t.deepEqual(to({ to: [{ group: "", kind: "Secret" }] }), ["False", "RefNotPermitted"]);
  t.deepEqual(to({ namespace: "third" }), ["False", "RefNotPermitted"]);
  t.deepEqual(to({ from: [{ ...from[0], kind: "GRPCRoute" } as never] }), ["False", "RefNotPermitted"]);
});

test("a Gateway as parent is nobody's here, an entry of ours without its parent goes, others' stay in place", (t) => {
  const gateway: ParentRef = { name: "gateway" };
  const other = { parentRef: gateway, controllerName: "example.com/gateway", conditions: [] };
  t.is(wantedParents(route({ parentRefs: [gateway], parents: [other] }), factsWith([]), NOW_MS), undefined);
  const [ours] = wantedParents(route(), factsWith([]), NOW_MS) ?? [];
  t.truthy(ours);
  const gone = route({ parentRefs: [gateway], parents: [other, ours as never] });
  t.deepEqual(wantedParents(gone, factsWith([]), NOW_MS), [other]);
  const both = wantedParents(route({ parentRefs: [gateway, TO_SERVICE], parents: [other] }), factsWith([]), NOW_MS);
  t.deepEqual(
    both?.map(({ controllerName }) => controllerName),
    ["example.com/gateway", ROUTE_CONTROLLER_NAME],
  );
  t.is(both?.[0], other);
});

test("the same again is nothing to write; another generation is, with the time of the last transition", (t) => {
  const facts = factsWith(["shop/a"]);
  const first = route({ backendRefs: [{ name: "a" }] });
  const parents = wantedParents(first, facts, NOW_MS) ?? [];
  t.is(wantedParents({ ...first, parents }, facts, NOW_MS + 60_000), undefined);
  const [next] = wantedParents({ ...first, parents, generation: 4 }, facts, NOW_MS + 60_000) ?? [];
  t.deepEqual(
    next?.conditions.map(({ observedGeneration, lastTransitionTime }) => [observedGeneration, lastTransitionTime]),
    [
      [4, "2026-01-31T12:00:00Z"],
      [4, "2026-01-31T12:00:00Z"],
    ],
  );
  const [lost] = wantedParents({ ...first, parents }, factsWith([]), NOW_MS + 60_000) ?? [];
  t.deepEqual(
    lost?.conditions.map(({ status, lastTransitionTime }) => [status, lastTransitionTime]),
    [
      ["False", "2026-01-31T12:00:00Z"],
      ["False", "2026-01-31T12:01:00Z"],
    ],
  );
});

test("the backends of a route are those of all its rules and mirrors", (t) => {
  const reduced = reduceRoute("HTTPRoute", {
    metadata: { name: "r", namespace: "shop", generation: 2 },
    spec: {
      rules: [
        { backendRefs: [{ name: "a" }, { name: "b", filters: [{ requestMirror: { backendRef: { name: "m1" } } }] }] },
        { filters: [{ requestMirror: { backendRef: { name: "m2", namespace: "other" } } }] },
        {},
      ],
    },
  });
  t.deepEqual(
    reduced.backendRefs.map(({ name }) => name),
    ["a", "b", "m1", "m2"],
  );
  t.deepEqual(reduceRoute("GRPCRoute", { metadata: { name: "r" } }).parentRefs, []);
});
