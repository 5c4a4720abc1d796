import test from "ava";
import type { ClusterFacts } from "../../../cli/cluster/cluster-facts.ts";
import { meshStatus, type ReplicaStatus } from "../../../cli/cluster/controller-status.ts";
import { judgeCluster } from "../../../cli/cluster/judge-cluster.ts";
import type { PodObject } from "../../../cli/cluster/kube-shapes.ts";
import { TestAuthority } from "../../support/test-authority.ts";

const NOW_MS = Date.now();
const authority = await TestAuthority.create();

const STATUS: ReplicaStatus = {
  sequence: 7,
  nodes: 2,
  workloads: 10,
  services: 3,
  agents: [
    { node: "node-1", version: "0.1.0", applied: 7, ready: true },
    { node: "node-2", version: "0.1.0", applied: 7, ready: true },
  ],
  missing: [],
  stragglers: [],
  formerIssuer: [],
  converged: { samples: 9, p50Ms: 4, p99Ms: 12.4 },
  settled: true,
  problems: [],
};

const HEALTHY: ClusterFacts = {
  version: "v1.36.3",
  nodes: [{ metadata: { name: "node-1" } }, { metadata: { name: "node-2" } }],
  daemonSets: ["kube-flannel/kube-flannel-ds", "kube-system/kube-proxy"],
  cilium: undefined,
  calicoEbpf: undefined,
  kubeProxy: config({ "config.conf": 'kind: KubeProxyConfiguration\nmode: "iptables"\n' }),
  agent: { metadata: { name: "hawser-agent" }, spec: template("hawser:0.1.0") },
  agentPods: [agentPod("node-1"), agentPod("node-2")],
  controller: {
    metadata: { name: "hawser-controller" },
    spec: { replicas: 2, ...template("hawser:0.1.0") },
    status: { readyReplicas: 2 },
  },
  lease: {
    metadata: { name: "hawser-controller" },
    spec: {
      holderIdentity: "hawser-controller-a",
      renewTime: new Date(NOW_MS - 2_000).toISOString(),
      leaseDurationSeconds: 15,
    },
  },
  roots: config({ "ca-root.pem": authority.rootPem }),
  mesh: meshStatus([{ name: "hawser-controller-a", status: STATUS }], "hawser-controller-a"),
  nowMs: NOW_MS - 400 * 86_400_000,
};

function config(data: Readonly<Record<string, string>>) {
  return { metadata: { name: "any" }, data };
}

function template(image: string) {
  return { template: { spec: { containers: [{ image }] } } };
}

function agentPod(node: string, ready = "True"): PodObject {
  const status = { conditions: [{ type: "Ready", status: ready }] };
  return { metadata: { name: `hawser-agent-${node}` }, spec: { nodeName: node }, status };
}

function judge(change: Partial<ClusterFacts>): readonly string[] {
  return judgeCluster({ ...HEALTHY, ...change })
    .filter(({ level }) => level !== "ok")
    .map(({ level, subject, detail }) => `${level} ${subject}: ${detail}`);
}

function withMesh(change: Partial<ReplicaStatus>): readonly string[] {
  return judge({ mesh: meshStatus([{ name: "a", status: { ...STATUS, ...change } }], "a") });
}

test("a cluster that is well has nothing but ok", (t) => {
  t.deepEqual(judge({}), []);
});

test("a cluster without Hawser is looked at as such", (t) => {
  const bare = {
    agent: undefined,
    controller: undefined,
    agentPods: [],
    lease: undefined,
    roots: undefined,
    mesh: undefined,
  };
  t.deepEqual(judge(bare), ["warning Hawser: is not installed"]);
});

test("Cilium: what passes the host's iptables by has failed, what takes balancing away is a warning", (t) => {
  const cilium = (data: Readonly<Record<string, string>>): readonly string[] =>
    judge({ cilium: config(data), daemonSets: ["kube-system/cilium"] }).map((line) => line.slice(0, 40));
  t.deepEqual(cilium({ "routing-mode": "native", "kube-proxy-replacement": "false" }), []);
  t.deepEqual(
    cilium({ "routing-mode": "tunnel", "kube-proxy-replacement": "false" }),
    ["failed network plugin: Cilium's tunnels ta"].map((line) => line.slice(0, 40)),
  );
  t.deepEqual(
    cilium({ "routing-mode": "native", "kube-proxy-replacement": "true" }),
    ["failed network plugin: Cilium routes past the host", "warning network plugin: Cilium chooses endpoints"].map(
      (line) => line.slice(0, 40),
    ),
  );
  t.deepEqual(
    cilium({
      "routing-mode": "native",
      "kube-proxy-replacement": "true",
      "enable-host-legacy-routing": "true",
      "bpf-lb-sock-hostns-only": "true",
    }),
    [],
  );
  t.is(cilium({ "routing-mode": "native", "enable-wireguard": "true" }).length, 1);
});

test("Calico with eBPF has failed, an unknown network is a warning, k3s brings its own", (t) => {
  t.is(judge({ calicoEbpf: true })[0]?.slice(0, 22), "failed network plugin:");
  t.deepEqual(judge({ daemonSets: [] }), ["warning network plugin: not known"]);
  t.deepEqual(judge({ daemonSets: [], version: "v1.36.1+k3s1" }), []);
});

test("kube-proxy in another mode is a warning", (t) => {
  const mode = (text: string) => judge({ kubeProxy: config({ "config.conf": `mode: ${text}\n` }) });
  t.deepEqual(mode("ipvs"), ["warning kube-proxy: ipvs: connections to ClusterIPs are not intercepted"]);
  t.deepEqual(mode("nftables"), ["warning kube-proxy: nftables: it may choose endpoints before Hawser does"]);
  t.deepEqual(mode('""'), []);
});

test("nodes without a ready agent are named, with the pod to ask", (t) => {
  const findings = judgeCluster({ ...HEALTHY, agentPods: [agentPod("node-1", "False"), agentPod("node-2")] });
  const agents = findings.find(({ subject }) => subject === "agents");
  t.like(agents, { level: "failed", detail: "ready on 1 of 2 nodes, not on node-1" });
  t.true(agents?.todo?.includes("exec hawser-agent-node-1 -- hawser-agent --check"));
  t.deepEqual(judge({ agent: undefined })[0], "failed agents: there is no DaemonSet hawser-agent");
});

test("controllers: one of two is a warning, none a failure", (t) => {
  const ready = (readyReplicas: number) =>
    judge({
      controller: {
        metadata: { name: "c" },
        spec: { replicas: 2, ...template("hawser:0.1.0") },
        status: { readyReplicas },
      },
    });
  t.deepEqual(ready(1), ["warning controller: 1 of 2 replicas ready"]);
  t.deepEqual(ready(0), ["failed controller: 0 of 2 replicas ready: traffic goes on, changes do not reach it"]);
});

test("a leader that does not renew is a warning, and so is none", (t) => {
  const old = {
    holderIdentity: "a",
    renewTime: new Date(HEALTHY.nowMs - 100_000).toISOString(),
    leaseDurationSeconds: 15,
  };
  t.deepEqual(judge({ lease: { metadata: { name: "l" }, spec: old } }), [
    "warning leader: a, who last renewed the Lease 100 s ago",
  ]);
  t.deepEqual(judge({ lease: undefined }), ["warning leader: no replica holds the Lease"]);
});

test("different images, and agents that are still of another version", (t) => {
  const agent = { metadata: { name: "hawser-agent" }, spec: template("hawser:0.2.0") };
  t.deepEqual(judge({ agent }), ["warning versions: agent hawser:0.2.0, controller hawser:0.1.0, agents run 0.1.0"]);
});

test("roots: missing, unreadable, ending", (t) => {
  t.deepEqual(judge({ roots: undefined }), ["failed roots: ConfigMap hawser-ca-root has no certificate"]);
  const notOne = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  t.is(judge({ roots: config({ "ca-root.pem": notOne }) })[0]?.slice(0, 29), "failed roots: cannot be read:");
  t.regex(judge({ nowMs: NOW_MS + 200 * 365 * 86_400_000 }).join("\n"), /failed roots: .*valid until/);
});

test("documents that are refused, agents without a channel, agents behind", (t) => {
  t.deepEqual(withMesh({ problems: ["mesh.yaml:5:3 encryption: expected strict", "other"] }), [
    "failed documents: not in force: mesh.yaml:5:3 encryption: expected strict (and 1 more: hawser status)",
  ]);
  t.deepEqual(withMesh({ missing: ["node-3"] }), ["failed table: no channel to the agents of node-3"]);
  t.deepEqual(withMesh({ stragglers: ["node-2"] }), ["warning table: not yet in force on node-2"]);
  const silent = meshStatus([{ name: "a", status: { problem: "403: no" } }], undefined);
  t.deepEqual(judge({ mesh: silent }), ["warning mesh: no replica told its state: 403: no"]);
});
