import { readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { parseClusterDocuments } from "../../../lab/cluster/cluster-file.ts";

const SHOP = readFileSync(path.join(import.meta.dirname, "../../../lab/cluster.yaml"), "utf8");

test("the shop's cluster has three dual-stack nodes, and every pod is on one of them", (t) => {
  const { nodes, pods, services } = parseClusterDocuments(SHOP, "cluster.yaml");
  t.deepEqual(
    nodes.map((node) => [node.name, node.addresses.length, node.podCidrs.length]),
    [
      ["node-1", 2, 2],
      ["node-2", 2, 2],
      ["node-3", 2, 2],
    ],
  );
  const names = new Set(nodes.map((node) => node.name));
  t.true(pods.every((pod) => names.has(pod.spec.nodeName)));
  t.true(services.every((service) => service.clusterIps.length === 2));
});

test("a headless Service has no ClusterIP, and a port without target is its own", (t) => {
  const text = "kind: Service\nmetadata: {name: db}\nspec: {clusterIP: None, ports: [{port: 5432}]}\n";
  const [service] = parseClusterDocuments(text, "db.yaml").services;
  t.is(service?.key, "default/db");
  t.deepEqual(service?.clusterIps, []);
  t.is(service?.ports[0]?.targetPort, 5432);
});

test("what the lab cannot run is refused by name", (t) => {
  const noCommand = "kind: Pod\nmetadata: {name: x}\nspec: {nodeName: n, containers: [{name: x}]}\n";
  t.throws(() => parseClusterDocuments(noCommand, "f.yaml"), { code: "bad-cluster-file", message: /f\.yaml: Pod x/ });
  t.throws(() => parseClusterDocuments("a: [", "f.yaml"), { code: "bad-cluster-file" });
});

test("documents of other kinds are passed on as they are", (t) => {
  const text = "kind: Mesh\nmetadata: {name: m}\nspec: {encryption: strict}\n---\n---\nkind: Whatever\n";
  const { others, pods } = parseClusterDocuments(text, "f.yaml");
  t.deepEqual(
    others.map((document) => document["kind"]),
    ["Mesh", "Whatever"],
  );
  t.is(pods.length, 0);
});
