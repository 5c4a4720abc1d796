/** What daemonset/ says must agree with itself, with the code's names and ports, and with the schema of the Mesh document. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";
import { parseSettings } from "../../../agent/settings.ts";
import { AGENT, CONFIG_MAP, CONTROLLER, MESH_KEY, NAMESPACE, ROOTS_CONFIG_MAP } from "../../../cli/manifests/names.ts";
import { meshDocumentSchema } from "../../../protocol/documents/mesh-document.ts";
import { parseDocuments } from "../../../protocol/documents/parse-documents.ts";
import { AGENT_ADMIN_PORT, CONTROL_PORT, CONTROLLER_ADMIN_PORT } from "../../../protocol/ports.ts";
import { CompileProblems } from "../../../routing/compile-problems.ts";
import { compileMesh } from "../../../routing/compile-mesh.ts";
import { isKind } from "../../../routing/is-kind.ts";
import { MESH_DEFAULTS } from "../../../routing/mesh-defaults.ts";
import packageJson from "../../../package.json" with { type: "json" };

/** Manifests are other people's schema: they are read as plain values. */
// eslint-disable-next-line typescript/no-explicit-any
type Manifest = any;

const DIRECTORY = path.resolve(import.meta.dirname, "../../../daemonset");
const files = readdirSync(DIRECTORY).filter((name) => name.endsWith(".yaml"));
const objects: Manifest[] = files.flatMap((name) => {
  const documents = parseAllDocuments(readFileSync(path.join(DIRECTORY, name), "utf8"));
  for (const { errors } of documents) if (errors[0] !== undefined) throw errors[0];
  return documents.map((document): Manifest => document.toJS());
});
const meshText = String(find("ConfigMap", CONFIG_MAP).data[MESH_KEY]);

function find(kind: string, name: string): Manifest {
  const found = objects.find((one) => one.kind === kind && one.metadata.name === name);
  if (found === undefined) throw new Error(`There is no ${kind} ${name}`);
  return found;
}

function container(kind: string, name: string): Manifest {
  return find(kind, name).spec.template.spec.containers[0];
}

function environment(kind: string, name: string): Readonly<Record<string, string>> {
  const entries: Manifest[] = container(kind, name).env;
  return Object.fromEntries(entries.map((one) => [one.name, one.value ?? "from the pod"]));
}

test("everything is there once, in our namespace or of the cluster, and labelled", (t) => {
  const names = objects.map((one) => `${one.kind} ${one.metadata.name}`);
  t.is(new Set(names).size, names.length);
  for (const one of objects) {
    const isOfCluster = ["Namespace", "ClusterRole", "ClusterRoleBinding"].includes(one.kind);
    t.is(one.metadata.namespace, isOfCluster ? undefined : NAMESPACE, one.metadata.name);
    t.is(one.metadata.labels["app.kubernetes.io/name"], "hawser", one.metadata.name);
  }
});

test("the Kustomization has every file, under a name that kubectl apply -f leaves alone", (t) => {
  const { resources } = parse(readFileSync(path.join(DIRECTORY, "Kustomization"), "utf8"));
  t.deepEqual(resources, files);
  t.is(files[0], "00-namespace.yaml");
});

test("nobody may more than is named: no wildcard, no role for the agent", (t) => {
  const roles = objects.filter(({ kind }) => ["ClusterRole", "Role"].includes(kind));
  t.true(roles.length > 0);
  for (const rule of roles.flatMap((role): Manifest[] => role.rules)) {
    for (const list of [rule.apiGroups, rule.resources, rule.verbs]) t.false(list.includes("*"));
    const writes = rule.verbs.some((verb: string) => ["update", "patch", "delete"].includes(verb));
    const [resource] = rule.resources;
    const isNarrow =
      rule.resourceNames !== undefined || ["nodes", "events"].includes(resource) || resource.endsWith("/status");
    if (writes) t.true(isNarrow, JSON.stringify(rule));
    // Whoever may list Secrets without naming one has them all.
    if (rule.resources.includes("secrets") && !rule.verbs.includes("create"))
      t.deepEqual(rule.resourceNames, ["hawser-ca"]);
  }
  const subjects = objects.flatMap((one): Manifest[] => one.subjects ?? []);
  t.true(subjects.every(({ name }) => name === CONTROLLER));
  for (const account of [AGENT, CONTROLLER]) t.false(find("ServiceAccount", account).automountServiceAccountToken);
});

test("selectors, labels and ports fit together", (t) => {
  for (const [kind, name] of [
    ["DaemonSet", AGENT],
    ["Deployment", CONTROLLER],
  ] as const) {
    const { selector, template } = find(kind, name).spec;
    t.like(template.metadata.labels, selector.matchLabels);
    t.is(template.spec.serviceAccountName, name);
  }
  const { labels } = find("Deployment", CONTROLLER).spec.template.metadata;
  const service = find("Service", CONTROLLER).spec;
  t.like(labels, service.selector);
  t.like(labels, find("PodDisruptionBudget", CONTROLLER).spec.selector.matchLabels);
  t.like(labels, find("NetworkPolicy", CONTROLLER).spec.podSelector.matchLabels);
  t.deepEqual(
    service.ports.map(({ port }: Manifest) => port),
    [CONTROL_PORT, CONTROLLER_ADMIN_PORT],
  );
  t.deepEqual(
    container("Deployment", CONTROLLER).ports.map(({ containerPort }: Manifest) => containerPort),
    [CONTROL_PORT, CONTROLLER_ADMIN_PORT],
  );
});

test("both images are of this version", (t) => {
  for (const [kind, name] of [
    ["DaemonSet", AGENT],
    ["Deployment", CONTROLLER],
  ] as const) {
    t.is(container(kind, name).image, `hawser:${packageJson.version}`);
  }
});

test("the agent's environment is what the agent reads", (t) => {
  const env = environment("DaemonSet", AGENT);
  const restore = { ...process.env };
  t.teardown(() => {
    process.env = restore;
  });
  Object.assign(process.env, env, { HAWSER_NODE: "node-1", HAWSER_METRICS: "192.0.2.1:15020" });
  const settings = parseSettings([]);
  t.is(settings.admin.port, AGENT_ADMIN_PORT);
  t.deepEqual(settings.controllers, [`wss://${CONTROLLER}.${NAMESPACE}.svc:${CONTROL_PORT}`]);
  t.is(
    environment("Deployment", CONTROLLER)["HAWSER_CONTROLLER_SERVER_NAMES"],
    new URL(settings.controllers[0] ?? "").hostname,
  );
  const { terminationGracePeriodSeconds, volumes } = find("DaemonSet", AGENT).spec.template.spec;
  t.true(terminationGracePeriodSeconds * 1_000 > settings.drainMs);
  const mounts: Manifest[] = container("DaemonSet", AGENT).volumeMounts;
  for (const file of [settings.stateDir, settings.tokenFile, settings.caFile, settings.readyFile ?? ""]) {
    t.true(
      mounts.some(({ mountPath }) => file.startsWith(mountPath)),
      file,
    );
  }
  t.true(volumes.some(({ configMap }: Manifest) => configMap?.name === ROOTS_CONFIG_MAP && !configMap.optional));
  const known = /HAWSER_[A-Z_]+/g;
  const source: readonly string[] =
    readFileSync(path.join(DIRECTORY, "../agent/settings.ts"), "utf8").match(known) ?? [];
  for (const name of Object.keys(env).filter((one) => one.startsWith("HAWSER_"))) t.true(source.includes(name), name);
});

test("the agent has three capabilities, a read-only root, and no port that would keep a second agent off the node", (t) => {
  const agent = container("DaemonSet", AGENT);
  t.deepEqual(agent.securityContext.capabilities, { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE"] });
  t.true(agent.securityContext.readOnlyRootFilesystem);
  t.is(agent.ports, undefined);
  const { rollingUpdate } = find("DaemonSet", AGENT).spec.updateStrategy;
  t.deepEqual(rollingUpdate, { maxUnavailable: 0, maxSurge: 1 });
});

test("every setting of the Mesh document is shown, with its default", (t) => {
  const uncommented = meshText.replaceAll(/^( *)#(?=[A-Za-z]+:)/gm, "$1");
  t.not(uncommented, meshText);
  const { documents, problems } = parseDocuments(uncommented, MESH_KEY);
  t.deepEqual(problems, []);
  const shown = parse(uncommented).spec;
  t.deepEqual(leaves(shown), schemaLeaves(z.toJSONSchema(meshDocumentSchema.shape.spec, { io: "input" })));
  const [mesh, ...others] = documents.filter(isKind("Mesh"));
  t.deepEqual([mesh?.kind, others], ["Mesh", []]);
  t.deepEqual(compileMesh(mesh === undefined ? [] : [mesh], {}, new CompileProblems()), MESH_DEFAULTS);
});

test("as it ships, the Mesh document is right and strict", (t) => {
  const { documents, problems } = parseDocuments(meshText, MESH_KEY);
  t.deepEqual(problems, []);
  t.like(documents[0], { kind: "Mesh", spec: { encryption: "strict" } });
});

/** `a.b` of every value that is no mapping. */
function leaves(value: Manifest, prefix = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [prefix.slice(0, -1)];
  return Object.entries(value)
    .flatMap(([key, below]) => leaves(below, `${prefix}${key}.`))
    .sort();
}

function schemaLeaves(schema: Manifest, prefix = ""): string[] {
  if (schema.properties === undefined) return [prefix.slice(0, -1)];
  return Object.entries(schema.properties)
    .flatMap(([key, below]) => schemaLeaves(below, `${prefix}${key}.`))
    .sort();
}
