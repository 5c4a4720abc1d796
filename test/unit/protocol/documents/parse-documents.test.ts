import test from "ava";
import { parseDocuments } from "../../../../protocol/documents/parse-documents.ts";
import { formatProblem } from "../../../../protocol/documents/problem.ts";
import { EVERY_KIND, MESH, NODE, POD, SERVICE, TRAFFIC_POLICY } from "./sample-documents.ts";

const problemsOf = (text: string): string[] => parseDocuments(text, "f.yaml").problems.map(formatProblem);

test("every kind of document is read, with defaults and in milliseconds", (t) => {
  const { documents, problems } = parseDocuments(EVERY_KIND, "all.yaml");
  t.deepEqual(problems, []);
  t.deepEqual(
    documents.map(({ kind }) => kind),
    ["Node", "Pod", "Service", "Mesh", "TrafficPolicy"],
  );
  t.like(documents[3], { spec: { ejection: { baseEjection: 30_000, maxEjection: 300_000 } } });
  const [minimal] = parseDocuments(
    "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 1}]}}",
    "f",
  ).documents;
  t.like(minimal, { metadata: { namespace: "default", labels: {} }, spec: { type: "ClusterIP" } });
  t.like(minimal, { spec: { ports: [{ port: 1, protocol: "TCP" }] } });
});

test("a document is frozen in depth and knows where it came from", (t) => {
  const text = `# a comment\n\n${NODE}---\n# another\n${POD}`;
  const [first, second] = parseDocuments(text, "dir/f.yaml").documents;
  t.true(Object.isFrozen(first) && Object.isFrozen(first?.metadata.labels));
  const place = (mark: string) => {
    const before = text.slice(0, text.indexOf(mark)).split("\n");
    return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
  };
  t.like(first?.source, { file: "dir/f.yaml", ...place("apiVersion") });
  t.deepEqual(second?.source.locate([]), place("apiVersion: v1\nkind: Pod"));
  t.like(second?.source, second?.source.locate([]) ?? {});
  t.deepEqual(second?.source.locate(["metadata", "labels", "app"]), place("catalog\n    version"));
  t.deepEqual(second?.source.locate(["spec", "containers", 0, "ports", 0, "name"]), place("http\n"));
  t.deepEqual(second?.source.locate(["status", "none", 3]), place("podIP:"), "the nearest value above");
});

test("documents in flow style after a separator have their places", (t) => {
  const text =
    '--- {"apiVersion": "v1", "kind": "Node",\n "metadata": {"name": "n"}}\n--- # x\n  {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "m"}}\n';
  const [first, second] = parseDocuments(text, "f").documents;
  t.deepEqual(first?.source.locate(["kind"]), { line: 1, column: 34 });
  t.deepEqual(first?.source.locate(["metadata", "name"]), { line: 2, column: 23 });
  t.deepEqual(second?.source.locate(["kind"]), { line: 4, column: 12 });
});

test("line ends of Windows and a byte order mark do not matter", (t) => {
  const { documents, problems } = parseDocuments(`\uFEFF${EVERY_KIND.replaceAll("\n", "\r\n")}`, "f");
  t.deepEqual(problems, []);
  t.is(documents.length, 5);
  t.deepEqual(documents[0]?.source.locate(["spec", "podCIDR"]), { line: 7, column: 12 });
});

test("comments and empty documents are nothing", (t) => {
  for (const text of ["", "\n", "# only a comment\n", "---\n", "---\n---\n# x\n...\n", "null\n"]) {
    t.deepEqual(parseDocuments(text, "f"), { documents: [], problems: [] }, JSON.stringify(text));
  }
});

test("a correct document is read although another one of the file is wrong", (t) => {
  const { documents, problems } = parseDocuments(`${NODE}---\nkind: [\n---\n${POD}`, "f");
  t.deepEqual(
    documents.map(({ kind }) => kind),
    ["Node", "Pod"],
  );
  t.true(problems.length > 0);
});

test("a problem has every part of what there is to say", (t) => {
  const { problems } = parseDocuments(MESH.replace("locality", "localty"), "mesh.yaml");
  t.deepEqual(problems, [
    {
      code: "unknown-key",
      file: "mesh.yaml",
      line: 8,
      column: 3,
      path: "spec.localty",
      found: 'key "localty"',
      expected: "one of the keys trustDomain, encryption, locality, loadBalancer, ejection, exclude",
      suggestion: "locality",
      message: "unknown key, did you mean locality",
    },
  ]);
  t.deepEqual(problems.map(formatProblem), ["mesh.yaml:8:3 spec.localty: unknown key, did you mean locality"]);
});

/** What, correct text, what to replace in it, by what (with a mark at the place that must be told), what is told after the place. */
const wrong: [string, string, string | RegExp, string, string][] = [
  [
    "an unknown key without a near one",
    NODE,
    "spec:",
    "spec:\n  ⌖zone: a",
    " spec.zone: unknown key, expected one of the keys podCIDR, podCIDRs",
  ],
  [
    "an unknown key in a list",
    SERVICE,
    "targetPort: 8081",
    "⌖targetport: 8081",
    " spec.ports[1].targetport: unknown key, did you mean targetPort",
  ],
  [
    "an unknown annotation of ours",
    POD,
    "hawser.dev/weight",
    "⌖hawser.dev/wieght",
    ' metadata.annotations["hawser.dev/wieght"]: unknown key, did you mean hawser.dev/weight',
  ],
  [
    "a missing key",
    TRAFFIC_POLICY,
    'targetRef:\n    group: ""\n    kind: Service\n    name: catalog\n',
    "⌖targetRef:\n    kind: Service\n",
    " spec.targetRef.name: missing, expected a name of a-z, 0-9, - and . with at most 253 characters",
  ],
  ["an empty part", TRAFFIC_POLICY, /spec:.*$/s, "spec:⌖\n", " spec: expected a mapping, found an empty value"],
  [
    "a number where text belongs",
    POD,
    'version: "1"',
    "version: ⌖1",
    ' metadata.labels.version: expected a label value of at most 63 letters, digits, -, _ and ., found number 1, did you mean "1" in quotes',
  ],
  [
    "true where text belongs",
    POD,
    'status: "True"',
    "status: ⌖true",
    " status.conditions[0].status: expected True, False or Unknown, found true",
  ],
  [
    "a list where a mapping belongs",
    SERVICE,
    "selector:\n    app: catalog",
    "selector: ⌖[app]",
    " spec.selector: expected a mapping, found a list",
  ],
  [
    "text where a list belongs",
    NODE,
    /podCIDRs: .*/,
    "podCIDRs: ⌖none",
    ' spec.podCIDRs: expected a list, found text "none"',
  ],
  [
    "a word that is nearly right",
    MESH,
    "strict",
    "⌖stric",
    ' spec.encryption: expected strict or permissive, found text "stric", did you mean strict',
  ],
  [
    "a word that is nothing",
    MESH,
    "least-request",
    "⌖best",
    ' spec.loadBalancer.algorithm: expected least-request, peak-ewma, round-robin, random or source-hash, found text "best"',
  ],
  [
    "a port that is too large",
    SERVICE,
    "port: 80\n",
    "port: ⌖80000\n",
    " spec.ports[0].port: expected a port number from 1 to 65535, found number 80000",
  ],
  [
    "a number without end",
    SERVICE,
    "port: 80\n",
    "port: ⌖1e999\n",
    " spec.ports[0].port: expected a number that can be held exactly, found number 1e999",
  ],
  [
    "a number too long to be exact",
    POD,
    "Seconds: 5",
    "Seconds: ⌖12345678901234567890",
    " spec.terminationGracePeriodSeconds: expected a number that can be held exactly, found number 12345678901234567890",
  ],
  [
    "a duration without a unit",
    MESH,
    "30s",
    "⌖30",
    " spec.ejection.baseEjection: expected a duration such as 10s, 1m30s or 250ms, found number 30",
  ],
  [
    "an ejection of no length",
    MESH,
    "30s",
    "⌖0s",
    ' spec.ejection.baseEjection: expected a duration longer than 0s, found text "0s"',
  ],
  [
    "durations in the wrong order",
    MESH,
    "5m",
    "⌖5s",
    ' spec.ejection.maxEjection: expected a duration not shorter than baseEjection, found text "5s"',
  ],
  [
    "a CIDR with host bits",
    NODE,
    "podCIDR: 10.244.1.0/24",
    "podCIDR: ⌖10.244.1.1/24",
    ' spec.podCIDR: expected 10.244.1.0/24, without host bits, found text "10.244.1.1/24"',
  ],
  [
    "an address of inet_aton",
    POD,
    "podIP: 10.244.1.7",
    'podIP: ⌖"10.244.7"',
    ' status.podIP: expected an IPv4 or IPv6 address of one host (not loopback, link-local, multicast or unspecified), found text "10.244.7"',
  ],
  [
    "a loopback address",
    NODE,
    "address: 192.168.0.1",
    'address: ⌖"::ffff:127.0.0.1"',
    ' status.addresses[0].address: expected an IPv4 or IPv6 address of one host (not loopback, link-local, multicast or unspecified), found text "::ffff:127.0.0.1"',
  ],
  [
    "a name in capitals",
    NODE,
    "name: node-1\n  labels",
    "name: ⌖Node_1\n  labels",
    ' metadata.name: expected a name of a-z, 0-9, - and . with at most 253 characters, found text "Node_1"',
  ],
  [
    "a label key with a space",
    POD,
    "app: catalog",
    "⌖my app: catalog",
    ' metadata.labels["my app"]: expected a label key such as app or example.com/app, found key "my app"',
  ],
  [
    "the same port twice",
    SERVICE,
    "port: 81",
    "port: ⌖80",
    " spec.ports[1].port: expected a port that no other entry has for the same protocol, found number 80",
  ],
  [
    "a port without a name among several",
    SERVICE,
    "name: admin\n      port: 81",
    "⌖port: 81",
    " spec.ports[1].name: missing, expected a name for every port when there are several",
  ],
  [
    "a duplicate key",
    POD,
    "hostNetwork: false",
    "⌖nodeName: node-2",
    " spec.nodeName: duplicate key, only one of the two can count",
  ],
  [
    "a merge key",
    POD,
    "hostNetwork: false",
    "⌖<<: { hostNetwork: true }",
    ' spec["<<"]: unknown key, expected one of the keys nodeName, serviceAccountName, hostNetwork, containers, terminationGracePeriodSeconds',
  ],
  [
    "a key of JavaScript",
    SERVICE,
    "type: ClusterIP",
    "⌖__proto__: { type: NodePort }",
    " spec.__proto__: unknown key, expected one of the keys type, clusterIP, clusterIPs, selector, ports, publishNotReadyAddresses, internalTrafficPolicy, trafficDistribution, sessionAffinity",
  ],
  [
    "a kind that is nearly right",
    POD,
    "kind: Pod",
    "kind: ⌖pod",
    ' kind: expected one of the kinds Namespace, Node, Pod, Service, EndpointSlice, Mesh, TrafficPolicy, RequestMatch, Subset, HTTPRoute, GRPCRoute, ReferenceGrant, found text "pod", did you mean Pod',
  ],
  [
    "no kind",
    POD,
    "apiVersion: v1\nkind: Pod",
    "⌖apiVersion: v1",
    " kind: missing, expected one of the kinds Namespace, Node, Pod, Service, EndpointSlice, Mesh, TrafficPolicy, RequestMatch, Subset, HTTPRoute, GRPCRoute, ReferenceGrant",
  ],
  [
    "another version",
    MESH,
    "hawser.dev/v1",
    "⌖hawser.dev/v2",
    ' apiVersion: expected hawser.dev/v1, found text "hawser.dev/v2", did you mean hawser.dev/v1',
  ],
  [
    "a tag",
    POD,
    "name: catalog-1",
    "name: ⌖!!binary aGk=",
    ': Unresolved tag: tag:yaml.org,2002:binary, found text "!!binary aGk="',
  ],
  ["a tab", MESH, "  exclude:", "⌖\texclude:", ': Tabs are not allowed as indentation, found text "\\texclude:"'],
  [
    "no mapping",
    POD,
    /^.*$/s,
    "⌖just text",
    ': expected a mapping with apiVersion, kind and metadata, found text "just text"',
  ],
  // Of what is not there at all, the place of what should have it.
  ["a missing part", TRAFFIC_POLICY, /^(.*)spec:.*$/s, "⌖$1", " spec: missing, expected a mapping"],
];

/** Takes the mark out of the text; its place as `line:column`. */
function marked(text: string): { readonly text: string; readonly place: string } {
  const lines = text.slice(0, text.indexOf("⌖")).split("\n");
  return { text: text.replace("⌖", ""), place: `${lines.length}:${(lines.at(-1) ?? "").length + 1}` };
}

for (const [what, correct, part, replacement, told] of wrong) {
  test(`${what} is told with its place`, (t) => {
    const { text, place } = marked(correct.replace(part, replacement));
    t.deepEqual(problemsOf(text), [`f.yaml:${place}${told}`]);
  });
}

test("all problems of a file are told at once, in the order of the text", (t) => {
  const text = [
    MESH.replace("strict", "none").replace("ports: [22]", "ports: [0, x]"),
    NODE.replace("podCIDR:", "podCidr:"),
    POD.replace("app: catalog", "app: catalog\n    app: shop"),
  ].join("---\n");
  t.deepEqual(problemsOf(text), [
    'f.yaml:7:15 spec.encryption: expected strict or permissive, found text "none"',
    "f.yaml:17:13 spec.exclude.ports[0]: expected a port number from 1 to 65535, found number 0",
    'f.yaml:17:16 spec.exclude.ports[1]: expected a port number from 1 to 65535, found text "x"',
    "f.yaml:27:3 spec.podCidr: unknown key, did you mean podCIDR",
    "f.yaml:43:5 metadata.labels.app: duplicate key, only one of the two can count",
  ]);
});

test("a document that is there twice is told at the second", (t) => {
  const { documents, problems } = parseDocuments(`${NODE}---\n${POD}---\n${NODE}`, "f.yaml");
  t.is(documents.length, 2);
  t.deepEqual(problems.map(formatProblem), ["f.yaml:60:1: duplicate document, Node node-1 is already in line 1"]);
  t.is(problems[0]?.code, "duplicate-document");
});

test("documents of one name in two namespaces are two", (t) => {
  t.is(parseDocuments(`${POD}---\n${POD.replace("namespace: shop", "namespace: other")}`, "f").documents.length, 2);
});

test("an alias stands for the value of its anchor", (t) => {
  const text = SERVICE.replace("name: catalog", "name: &name catalog").replace("app: catalog", "app: *name");
  const { documents, problems } = parseDocuments(text, "f");
  t.deepEqual(problems, []);
  t.like(documents[0], { spec: { selector: { app: "catalog" } } });
});

test("words that other versions of YAML take for something else are text", (t) => {
  const text = POD.replace("app: catalog", "app: no").replace('version: "1"', "version: 1_0");
  t.like(parseDocuments(`%YAML 1.1\n---\n${text}`, "f").documents[0], {
    metadata: { labels: { app: "no", version: "1_0" } },
  });
});
