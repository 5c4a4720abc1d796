/** A converted object is what the schema would have made of the same text. */
import test from "ava";
import type { ExecutionContext } from "ava";
import {
  convertEndpointSlice,
  convertNamespace,
  convertNode,
  convertPod,
  convertService,
} from "../../../../controller/kubernetes/convert-objects.ts";
import { withoutWrongKeys } from "../../../../controller/kubernetes/own-keys.ts";
import { SharedJson } from "../../../../controller/kubernetes/shared-json.ts";
import { DOCUMENT_SCHEMAS, type Document } from "../../../../protocol/documents/document.ts";

const shared = new SharedJson();
const managed = { managedFields: [{ manager: "kubelet" }], uid: "u", resourceVersion: "7", generation: 1 };

/** The schema takes the document as it is, and adds no default to it. */
function isWhole(t: ExecutionContext, document: Document): void {
  const { source: _, ...value } = document;
  t.deepEqual(DOCUMENT_SCHEMAS[document.kind].parse(value) as unknown, value as unknown);
}

test("a pod as the API server has it", (t) => {
  const pod = convertPod(
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "catalog-1",
        namespace: "shop",
        labels: { app: "catalog" },
        annotations: { "example.com/large": "x".repeat(10_000), "hawser.dev/weight": "50" },
        creationTimestamp: "2026-01-01T00:00:00Z",
        deletionTimestamp: "2026-01-02T00:00:00Z",
        ...managed,
      },
      spec: {
        nodeName: "node-1",
        serviceAccountName: "catalog",
        containers: [
          { name: "main", ports: [{ name: "http", containerPort: 80, protocol: "TCP" }] },
          { name: "sctp", ports: [{ containerPort: 81, protocol: "SCTP" }] },
        ],
        ...{ volumes: [], restartPolicy: "Always" },
      },
      status: {
        phase: "Running",
        podIP: "10.244.1.5",
        podIPs: [{ ip: "10.244.1.5" }, { ip: "fd00:1::5" }],
        conditions: [
          { type: "PodScheduled", status: "True" },
          { type: "Ready", status: "True" },
        ],
      },
    },
    shared,
  );
  if (pod === undefined) return t.fail();
  isWhole(t, pod);
  t.deepEqual(pod.metadata.annotations, { "hawser.dev/weight": "50" });
  t.deepEqual(pod.status.podIPs, [{ ip: "10.244.1.5" }, { ip: "fd00:1::5" }]);
  t.deepEqual(pod.spec.containers, [
    { name: "main", ports: [{ name: "http", containerPort: 80, protocol: "TCP" }] },
    { name: "sctp" },
  ]);
  t.is(pod.source.file, "Pod shop/catalog-1");
  t.false(JSON.stringify(pod).includes("managedFields"));
});

test("a pod that was just made has little, one on the host's network says so, one that has ended is none", (t) => {
  const metadata = { name: "p", namespace: "shop" };
  const fresh = convertPod({ metadata, spec: { containers: [{ name: "c" }] }, status: { phase: "Pending" } }, shared);
  if (fresh === undefined) return t.fail();
  isWhole(t, fresh);
  t.is(fresh.spec.serviceAccountName, "default");
  t.deepEqual(fresh.status, { phase: "Pending", conditions: [] });
  t.true(convertPod({ metadata, spec: { hostNetwork: true } }, shared)?.spec.hostNetwork);
  t.is(convertPod({ metadata, status: { phase: "Succeeded" } }, shared), undefined);
  t.is(convertPod({ metadata, status: { phase: "Failed" } }, shared), undefined);
});

test("a node with addresses of every kind", (t) => {
  const node = convertNode(
    {
      metadata: { name: "node-1", labels: { zone: "a" }, ...managed },
      spec: {
        podCIDR: "10.244.1.0/24",
        podCIDRs: ["10.244.1.0/24", "fd00:1::/64"],
        taints: [{ key: "k", effect: "NoSchedule" }],
      },
      status: {
        addresses: [
          { type: "InternalIP", address: "192.168.0.1" },
          { type: "Hostname", address: "node-1" },
          { type: "Carrier", address: "pigeon" },
        ],
      },
    },
    shared,
  );
  isWhole(t, node);
  t.is(node.status.addresses.length, 2);
  isWhole(t, convertNode({ metadata: { name: "bare" } }, shared));
});

test("services of every type", (t) => {
  const convert = (spec: object) => convertService({ metadata: { name: "s", namespace: "shop" }, spec }, shared);
  const full = convert({
    type: "NodePort",
    clusterIP: "10.96.0.5",
    clusterIPs: ["10.96.0.5", "fd00:96::5"],
    selector: { app: "s" },
    ports: [
      { name: "http", port: 80, targetPort: "http", protocol: "TCP", appProtocol: "http", nodePort: 30_000 },
      { name: "dns", port: 53, targetPort: 5353, protocol: "UDP" },
      { name: "sctp", port: 9, protocol: "SCTP" },
    ],
    internalTrafficPolicy: "Local",
    trafficDistribution: "PreferSameNode",
    sessionAffinity: "ClientIP",
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } },
    publishNotReadyAddresses: true,
    ipFamilies: ["IPv4", "IPv6"],
  });
  isWhole(t, full);
  t.deepEqual(
    full.spec.ports.map(({ name }) => name),
    ["http", "dns"],
  );
  const headless = convert({ clusterIP: "None", clusterIPs: ["None"], ports: [{ port: 80, targetPort: 0 }] });
  isWhole(t, headless);
  t.deepEqual(headless.spec.ports, [{ port: 80, protocol: "TCP" }]);
  const alias = convert({ type: "ExternalName", externalName: "example.com", clusterIP: "", selector: null });
  t.is(alias.spec.clusterIP, undefined);
  t.is(convert({ trafficDistribution: "PreferSameRack" }).spec.trafficDistribution, undefined);
  isWhole(t, convert({}));
});

test("endpoint slices with conditions, hints and ports, and those of names", (t) => {
  const slice = convertEndpointSlice(
    {
      metadata: { name: "s-x", namespace: "shop", labels: { "kubernetes.io/service-name": "s" }, ...managed },
      addressType: "IPv4",
      endpoints: [
        {
          addresses: ["10.244.1.5"],
          conditions: { ready: true, serving: true, terminating: false },
          targetRef: { kind: "Pod", namespace: "shop", name: "s-1", ...{ uid: "u" } },
          nodeName: "node-1",
          zone: "a",
          hints: { forZones: [{ name: "a" }], forNodes: [{ name: "node-1" }] },
        },
        { addresses: ["10.0.0.9"] },
      ],
      ports: [
        { name: "http", port: 8080, protocol: "TCP", appProtocol: "http" },
        { name: "", protocol: "SCTP" },
      ],
    },
    shared,
  );
  if (slice === undefined) return t.fail();
  isWhole(t, slice);
  t.deepEqual(slice.endpoints[1], { addresses: ["10.0.0.9"], conditions: {} });
  const empty = convertEndpointSlice(
    { metadata: { name: "e" }, addressType: "IPv6", endpoints: null, ports: null },
    shared,
  );
  t.deepEqual([empty?.endpoints, empty?.ports], [[], []]);
  t.is(convertEndpointSlice({ metadata: { name: "f" }, addressType: "FQDN" }, shared), undefined);
});

test("a namespace's label, right and wrong, and keys of ours that are none", (t) => {
  const convert = (labels: Record<string, string>, annotations: Record<string, string> = {}) =>
    withoutWrongKeys(convertNamespace({ metadata: { name: "shop", labels, annotations } }, shared));
  const right = convert({ "hawser.dev/mesh": "disabled", team: "a" });
  isWhole(t, right.document);
  t.deepEqual([right.document.metadata.labels, right.problems], [{ "hawser.dev/mesh": "disabled", team: "a" }, []]);
  const wrong = convert({ "hawser.dev/mesh": "yes", team: "a" }, { "hawser.dev/weight": "5000", "hawser.dev/x": "1" });
  isWhole(t, wrong.document);
  t.deepEqual(wrong.document.metadata.labels, { team: "a" });
  t.deepEqual(wrong.document.metadata.annotations, {});
  const told = wrong.problems.map((problem) => problem.split(" is ignored")[0]);
  t.deepEqual(
    new Set(told),
    new Set(['annotation "hawser.dev/weight"', 'annotation "hawser.dev/x"', 'label "hawser.dev/mesh"']),
  );
});

test("equal parts are one and the same value", (t) => {
  const pods = ["a", "b"].map((name) =>
    convertPod(
      { metadata: { name, labels: { app: "x" } }, spec: { nodeName: "n", containers: [{ name: "c" }] } },
      shared,
    ),
  );
  t.is(pods[0]?.metadata.labels, pods[1]?.metadata.labels);
  t.is(pods[0]?.spec.containers, pods[1]?.spec.containers);
});
