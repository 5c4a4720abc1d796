import test from "ava";
import { MeshSettings } from "../../../../controller/kubernetes/mesh-settings.ts";
import { meshText } from "../../../support/source-world.ts";

const STRICT = meshText("encryption: strict");
const POLICY =
  "apiVersion: hawser.dev/v1\nkind: TrafficPolicy\nmetadata: {name: p, namespace: shop}\nspec: {targetRef: {kind: Service, name: s}}\n";

function settings(): MeshSettings {
  return new MeshSettings("ConfigMap ns/hawser");
}

test("documents of all yaml keys are in force, other keys are nobody's", (t) => {
  const one = settings();
  one.open({ "mesh.yaml": STRICT, "shop.yml": POLICY, notes: "kind: Nonsense" }, undefined);
  t.deepEqual(
    one.current?.documents.map(({ kind }) => kind),
    ["Mesh", "TrafficPolicy"],
  );
  t.deepEqual(one.problems, []);
});

test("an unchanged key keeps its documents when another one changes", (t) => {
  const one = settings();
  one.open({ "mesh.yaml": STRICT, "shop.yaml": POLICY }, undefined);
  const [mesh] = one.current?.documents ?? [];
  one.change({ "mesh.yaml": STRICT });
  t.is(one.current?.documents[0], mesh);
  t.is(one.current?.documents.length, 1);
});

test("one problem in one key refuses all of it", (t) => {
  const one = settings();
  one.open({ "mesh.yaml": STRICT }, undefined);
  one.change({ "mesh.yaml": meshText("encryption: permissive"), "shop.yaml": POLICY.replace("Service", "Deployment") });
  t.is(one.current?.documents.length, 1);
  t.is(one.current?.documents[0]?.kind === "Mesh" && one.current.documents[0].spec.encryption, "strict");
  t.is(one.problems.length, 1);
  t.regex(one.problems[0] ?? "", /^shop\.yaml:4:\d+ spec\.targetRef\.kind: /);
  t.deepEqual(one.goodTexts, { "mesh.yaml": STRICT });
});

test("kinds that come from the cluster, and a document that is there twice, are refused with their place", (t) => {
  const one = settings();
  const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
  const other = STRICT.replace("name: mesh", "name: other");
  one.open({ "a.yaml": STRICT, "b.yaml": `${POLICY}---\n${POLICY}`, "c.yaml": namespace, "d.yaml": other }, {});
  t.deepEqual(one.problems, [
    "b.yaml:6:1: duplicate document, TrafficPolicy shop/p is already in line 1",
    "c.yaml:1:1 kind: expected one of Mesh, TrafficPolicy, RequestMatch, Subset, found Namespace, which comes from the cluster's own objects",
    "d.yaml:1:1: duplicate document, Mesh is already in a.yaml:1:1",
  ]);
});

test("what is stored is in force only when the ConfigMap is not good, and only when it is good itself", (t) => {
  const bad = { "mesh.yaml": "kind: Mash" };
  const good = settings();
  good.open({ "mesh.yaml": STRICT }, { "mesh.yaml": meshText("encryption: permissive") });
  t.deepEqual(good.goodTexts, { "mesh.yaml": STRICT });
  const broken = settings();
  broken.open(bad, { "mesh.yaml": STRICT });
  t.is(broken.current?.documents.length, 1);
  t.is(broken.goodTexts, undefined);
  const hopeless = settings();
  hopeless.open(bad, bad);
  t.is(hopeless.current, undefined);
  const gone = settings();
  gone.open(undefined, { "mesh.yaml": STRICT });
  t.is(gone.current?.documents.length, 1);
  t.deepEqual(gone.problems, ["ConfigMap ns/hawser is not there, the last good documents are in force"]);
  t.true(gone.isGood({ "mesh.yaml": STRICT }));
  t.false(gone.isGood(bad));
  t.false(gone.isGood(undefined));
});

test("a ConfigMap without documents is the defaults, and good", (t) => {
  const one = settings();
  one.open({}, undefined);
  t.deepEqual(one.current, { documents: [], problems: [] });
});
