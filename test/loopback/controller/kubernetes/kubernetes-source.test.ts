import test from "ava";
import type { MeshDocument, PodDocument } from "../../../../protocol/documents/document.ts";
import type { SourceState } from "../../../../controller/source.ts";
import { eventually } from "../../../support/eventually.ts";
import { meshText, SourceWorld } from "../../../support/source-world.ts";

const STRICT = meshText("encryption: strict");
const STORED = "/api/v1/namespaces/hawser-system/configmaps/hawser-last-good";

test("a cluster's objects become documents, and a change of one leaves the others as they are", async (t) => {
  const world = await SourceWorld.open(t);
  world.setSettings({ "mesh.yaml": STRICT });
  world.double.put("/api/v1/namespaces/shop", { metadata: { name: "shop" } });
  world.double.put("/api/v1/nodes/node-1", { metadata: { name: "node-1" } });
  world.putPod("a");
  world.putPod("b");
  await world.start();
  t.deepEqual(world.names, ["Mesh mesh", "Namespace shop", "Node node-1", "Pod shop/a", "Pod shop/b"]);
  t.is(world.last.judgement, "each");
  t.deepEqual(world.last.problems, []);
  const before = world.last;
  world.putPod("b", {}, { phase: "Running", podIP: "10.244.1.9" });
  const after = await world.until("the new address", (state) => podOf(state, "b")?.status.podIP === "10.244.1.9");
  t.is(podOf(after, "a"), podOf(before, "a"));
  t.is(after.documents.length, before.documents.length);
  t.is(after.documents.filter((document) => !before.documents.includes(document)).length, 1);
});

test("what changes nothing that is read gives no new state", async (t) => {
  const world = await SourceWorld.open(t);
  world.setSettings({ "mesh.yaml": STRICT });
  world.putPod("a");
  await world.start();
  const given = world.states.length;
  world.putPod("a", { annotations: { "example.com/seen": "now" } });
  world.putPod("z");
  await world.until("the last change", (state) => podOf(state, "z") !== undefined);
  t.is(world.states.length, given + 1);
});

test("no state is given before every kind was read", async (t) => {
  const world = await SourceWorld.open(t);
  world.setSettings({ "mesh.yaml": STRICT });
  world.putPod("a");
  world.double.answer = ({ path }) => (path === "/api/v1/services" ? { status: 500 } : undefined);
  const started = world.start();
  await eventually("services are asked for twice", () => world.double.audit.filter(isServices).length > 1);
  t.is(world.states.length, 0);
  world.double.answer = () => undefined;
  await started;
  t.deepEqual(world.names, ["Mesh mesh", "Pod shop/a"]);
});

test("an API server that is killed and comes back changes nothing", async (t) => {
  const world = await SourceWorld.open(t);
  world.setSettings({ "mesh.yaml": STRICT });
  for (const name of ["a", "b", "c"]) world.putPod(name);
  await world.start();
  const { documents } = world.last;
  const given = world.states.length;
  const { port } = world.double;
  await world.double.stop();
  world.double.compact();
  await world.double.listen(port);
  await eventually("all watches are back", () => world.double.watches.length === 6, 30_000);
  world.putPod("d");
  await world.until("the new pod", (state) => podOf(state, "d") !== undefined);
  t.is(world.states.length, given + 1);
  t.deepEqual(
    world.last.documents.filter((document) => !documents.includes(document)).map(({ metadata }) => metadata.name),
    ["d"],
  );
});

test("a wrong annotation is left out, told in the problems and on the object, and stops nobody", async (t) => {
  const world = await SourceWorld.open(t);
  world.setSettings({ "mesh.yaml": STRICT });
  world.putPod("wrong", { annotations: { "hawser.dev/weigth": "5", "hawser.dev/mesh": "disabled" } });
  world.putPod("right", { annotations: { "hawser.dev/weight": "5" } });
  world.double.put("/api/v1/namespaces/shop", { metadata: { name: "shop", labels: { "hawser.dev/mesh": "on" } } });
  await world.start();
  t.deepEqual(podOf(world.last, "wrong")?.metadata.annotations, { "hawser.dev/mesh": "disabled" });
  t.deepEqual(podOf(world.last, "right")?.metadata.annotations, { "hawser.dev/weight": "5" });
  t.deepEqual(world.last.problems, [
    'Namespace shop: label "hawser.dev/mesh" is ignored: expected "enabled" or "disabled", found text "on"',
    'Pod shop/wrong: annotation "hawser.dev/weigth" is ignored: unknown key, did you mean hawser.dev/weight',
  ]);
  const events = await eventually("an event for each", () => {
    const all = [...world.double.store.list("events", "shop"), ...world.double.store.list("events", "default")];
    return all.length === 2 && all;
  });
  t.deepEqual(
    events.map((event) => event["reason"]),
    ["AnnotationIgnored", "AnnotationIgnored"],
  );
});

test("a bad edit of the ConfigMap is told with its place, and the last good settings stay while the rest goes on", async (t) => {
  const world = await SourceWorld.open(t);
  world.setSettings({ "mesh.yaml": STRICT });
  await world.start();
  world.setSettings({ "mesh.yaml": meshText("encrypton: permissive") });
  const refused = await world.until("the refusal", (state) => state.problems.length > 0);
  t.deepEqual(refused.problems, ["mesh.yaml:6:3 spec.encrypton: unknown key, did you mean encryption"]);
  t.is(meshOf(refused)?.spec.encryption, "strict");
  world.putPod("a");
  const next = await world.until("the pod", (state) => podOf(state, "a") !== undefined);
  t.is(meshOf(next), meshOf(refused));
  const warning = await eventually("the event", () => world.double.store.list("events", "hawser-system")[0]);
  t.is(warning["reason"], "DocumentsRefused");
  t.regex(String(warning["message"]), /mesh\.yaml:6:3 spec\.encrypton/);
  world.setSettings({ "mesh.yaml": meshText("encryption: permissive") });
  const good = await world.until("the repair", (state) => meshOf(state)?.spec.encryption === "permissive");
  t.deepEqual(good.problems, []);
  await eventually("both events", () => world.double.store.list("events", "hawser-system").length === 2);
});

test("a controller that starts while the ConfigMap is bad has the stored last good settings", async (t) => {
  const first = await SourceWorld.open(t);
  first.setSettings({ "mesh.yaml": STRICT });
  await first.start();
  await eventually("the good text is stored", () => first.double.object(STORED));
  await first.source.close();
  first.setSettings({ "mesh.yaml": "kind: Mash" });
  const second = first.another(t);
  second.isLeader = false;
  await second.start();
  t.is(meshOf(second.last)?.spec.encryption, "strict");
  t.regex(second.last.problems[0] ?? "", /^mesh\.yaml:1:7 kind: /);
});

test("a bad ConfigMap with nothing stored gives no state until it is repaired", async (t) => {
  const world = await SourceWorld.open(t);
  world.setSettings({ "mesh.yaml": "kind: Mash" });
  const started = world.start();
  const told = (): boolean => world.log.text.includes("nothing comes into force until it is repaired");
  await eventually("it is told", told);
  t.is(world.states.length, 0);
  world.setSettings({ "mesh.yaml": STRICT });
  await started;
  t.is(meshOf(world.last)?.spec.encryption, "strict");
});

test("without a ConfigMap the defaults are in force, and when it is deleted its last settings", async (t) => {
  const world = await SourceWorld.open(t);
  await world.start();
  t.deepEqual(world.last.problems, ["ConfigMap hawser-system/hawser is not there, the defaults are in force"]);
  t.is(meshOf(world.last), undefined);
  world.setSettings({ "mesh.yaml": STRICT });
  await world.until("the settings", (state) => meshOf(state) !== undefined);
  world.double.remove("/api/v1/namespaces/hawser-system/configmaps/hawser");
  const deleted = await world.until("the deletion", (state) => state.problems.length > 0);
  t.is(meshOf(deleted)?.spec.encryption, "strict");
});

test("only the replica that leads writes", async (t) => {
  const world = await SourceWorld.open(t);
  world.isLeader = false;
  world.setSettings({ "mesh.yaml": STRICT });
  world.putPod("wrong", { annotations: { "hawser.dev/mesh": "on" } });
  await world.start();
  world.putPod("b");
  await world.until("a later state", (state) => podOf(state, "b") !== undefined);
  const writes = world.double.audit.filter(({ verb }) => !["get", "list", "watch"].includes(verb));
  t.deepEqual(writes, []);
  world.isLeader = true;
  await eventually("the event is written late", () => world.double.store.list("events", "shop").length === 1);
});

function podOf(state: SourceState, name: string): PodDocument | undefined {
  return state.documents.find((one): one is PodDocument => one.kind === "Pod" && one.metadata.name === name);
}

function meshOf(state: SourceState): MeshDocument | undefined {
  return state.documents.find((one): one is MeshDocument => one.kind === "Mesh");
}

function isServices({ path }: { readonly path: string }): boolean {
  return path === "/api/v1/services";
}

test("a route of a Service becomes a document; one that cannot be read is told, and one of Gateways is nothing", async (t) => {
  const world = await SourceWorld.open(t);
  world.setSettings({ "mesh.yaml": STRICT });
  world.double.install("httproutes.gateway.networking.k8s.io");
  const routes = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes";
  const parentRefs = [{ group: "", kind: "Service", name: "catalog" }];
  const put = (name: string, spec: object): void =>
    void world.double.put(`${routes}/${name}`, { metadata: { name }, spec });
  put("good", { parentRefs });
  put("odd", { parentRefs, magic: 1 });
  put("edge", { parentRefs: [{ name: "gateway" }], magic: 1 });
  await world.start();
  t.deepEqual(world.names, ["HTTPRoute shop/good", "Mesh mesh"]);
  t.is(world.last.problems.length, 1);
  t.regex(world.last.problems[0] ?? "", /^HTTPRoute shop\/odd: spec\.magic: unknown key/);
  world.double.remove(`${routes}/good`);
  await world.until("the route to be gone", (state) => state.documents.length === 1);
});

test("a route that refers to a RequestMatch of the settings says in its status whether it is there", async (t) => {
  const world = await SourceWorld.open(t);
  world.setSettings({ "mesh.yaml": STRICT });
  world.double.install("httproutes.gateway.networking.k8s.io");
  const services = "/api/v1/namespaces/shop/services";
  world.double.put(`${services}/catalog`, { metadata: { name: "catalog" }, spec: { ports: [{ port: 80 }] } });
  const route = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/r";
  const parentRefs = [{ group: "", kind: "Service", name: "catalog" }];
  const extensionRef = { group: "hawser.dev", kind: "RequestMatch", name: "testers" };
  const rules = [{ filters: [{ type: "ExtensionRef", extensionRef }], backendRefs: [{ name: "catalog", port: 80 }] }];
  world.double.put(route, { metadata: { name: "r" }, spec: { parentRefs, rules } });
  const told = (reason: string): Promise<boolean> =>
    eventually(reason, () => JSON.stringify(world.double.object(route)?.["status"] ?? {}).includes(`"${reason}"`));
  await world.start();
  await told("BackendNotFound");
  const testers =
    "{ apiVersion: hawser.dev/v1, kind: RequestMatch, metadata: { name: testers, namespace: shop }, spec: { namespaces: [shop] } }";
  world.setSettings({ "mesh.yaml": STRICT, "testers.yaml": testers });
  await told("ResolvedRefs");
  t.deepEqual(world.last.problems, []);
});
