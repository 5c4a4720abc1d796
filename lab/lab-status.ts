/**
 * What the inside of a lab tells the outside: the types of every control-socket call, and the interfaces between the
 * launcher (up.ts), the live view (view/), the wire capture (wire/) and the report (report/).
 *
 * The control socket is `<state>/control.sock`: JSON lines, `{id, method, params}` -> `{id, result}` or `{id, error}`.
 * Times are seconds or milliseconds as the names say; pids are those of the lab's own pid namespace.
 */
import type { EncryptionMode } from "../protocol/table.ts";
import type { KubernetesAssets } from "./kubernetes/kubernetes-assets.ts";
import type { KubectlSettings } from "./kubernetes/kubectl.ts";

export type NetfilterBackend = "nft" | "legacy";
export type LabIntercept = "auto" | "tproxy" | "redirect";

/** Everything that shapes a lab; written once to `<state>/settings.json`, read by the lab's first process. */
export interface LabSettings {
  readonly name: string;
  readonly stateDir: string;
  /** When the launcher was told to start, Unix time. */
  readonly startedAtMs: number;
  /** The YAML documents of the cluster. */
  readonly file: string;
  /** False: the same cluster with kube-proxy only. */
  readonly mesh: boolean;
  /** Runs on an API server out of these programs; with the mesh out of daemonset/. */
  readonly kubernetes?: KubernetesAssets;
  /** Overrides the Mesh document's. */
  readonly encryption?: EncryptionMode;
  /** Which iptables the kube-proxy imitation writes with; agents follow it. */
  readonly backend: NetfilterBackend;
  /** Data workers per agent. */
  readonly workers: number;
  /** Flags of Node and V8 for the agents, to measure or profile them. */
  readonly agentNodeFlags?: readonly string[];
  /** Nodes that get an agent at start. Default: all. */
  readonly agentNodes?: readonly string[];
  /** `net.ipv4.conf.*.rp_filter` of the nodes. */
  readonly rpFilter: 0 | 1 | 2;
  /** `net.bridge.bridge-nf-call-iptables` of the nodes, where the kernel has br_netfilter. */
  readonly bridgeNetfilter: boolean;
  /** How agents intercept. Default: as they find it right for the node. */
  readonly intercept?: LabIntercept;
  readonly logLevel: string;
  /** Capture on every node's uplink from before the first pod starts (else only after `captureStart`). */
  readonly capture: boolean;
}

/** The part of a Pod document that the lab's kubelet runs. */
export interface LabPod {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    /** Default `default`. */
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    /** `lab.hawser.dev/requires: mariadbd` skips the pod where that program is not installed. */
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly nodeName: string;
    readonly serviceAccountName?: string;
    readonly hostNetwork?: boolean;
    readonly terminationGracePeriodSeconds?: number;
    /** Exactly one. `$(NAME)` in command and args is replaced from the pod's environment, as Kubernetes does. */
    readonly containers: readonly LabContainer[];
  };
  /** Given addresses are used as they are; otherwise the next free ones of the node's pod CIDRs. */
  readonly status?: { readonly podIPs?: readonly { readonly ip: string }[] };
}

export interface LabContainer {
  readonly name?: string;
  readonly command: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[];
  readonly readinessProbe?: { readonly tcpSocket: { readonly port: number }; readonly periodSeconds?: number };
}

/**
 * `pending -> running <-> ready -> terminating -> (gone)`; a process that ends by itself is `succeeded` or `failed`.
 * `skipped`: a program it requires is not installed.
 */
export type LabPodState = "pending" | "running" | "ready" | "terminating" | "succeeded" | "failed" | "skipped";

export interface LabPodStatus {
  /** `namespace/name`. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Label `app`, else the name: what tables call the group of equal pods. */
  readonly workload: string;
  readonly node: string;
  readonly ips: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly state: LabPodState;
  /** The process that holds the pod's namespaces. Absent when skipped. */
  readonly pausePid?: number;
  /** The pod's main process, while it runs. */
  readonly pid?: number;
  /** Why it is skipped or failed. */
  readonly reason?: string;
}

export interface LabNodeStatus {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly podCidrs: readonly string[];
  /** The process that holds the node's namespaces. */
  readonly pausePid: number;
  /** The interface towards the other nodes. */
  readonly uplink: string;
}

export interface LabAgentStatus {
  readonly node: string;
  /** `1` unless started with another name (two run side by side during an upgrade). */
  readonly instance: string;
  readonly pid: number;
  readonly state: "running" | "exited";
  /** As the controller sees it: interception is in force and certificates are there. */
  readonly ready: boolean;
  readonly appliedSequence?: number;
  /** It has the latest table of the controller that it is connected to: replicas count by themselves. */
  readonly upToDate: boolean;
  readonly rssMb: number;
  /** User and system time since the agent's start. */
  readonly cpuSeconds: number;
  readonly exit?: { readonly code: number | null; readonly signal: string | null };
}

export interface LabControllerStatus {
  readonly pid: number;
  readonly state: "running" | "exited";
  /** Table sequence, when the controller answers. */
  readonly sequence?: number;
  readonly rssMb: number;
  readonly cpuSeconds: number;
}

export interface LabServiceStatus {
  /** `namespace/name`. */
  readonly key: string;
  readonly clusterIps: readonly string[];
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[];
}

export interface LabStatus {
  readonly name: string;
  readonly stateDir: string;
  /** On an API server: how to speak to it from inside the lab. */
  readonly kubernetes?: KubectlSettings;
  readonly mesh: boolean;
  /** The mode in the Mesh document; absent without mesh. */
  readonly encryption?: EncryptionMode;
  readonly phase: "starting" | "ready" | "failed";
  /** What the lab is doing, for a progress line; or why it failed. */
  readonly detail: string;
  /** From the launcher's start until all pods and agents were ready. */
  readonly readySeconds?: number;
  readonly nodes: readonly LabNodeStatus[];
  readonly services: readonly LabServiceStatus[];
  readonly pods: readonly LabPodStatus[];
  readonly agents: readonly LabAgentStatus[];
  readonly controller?: LabControllerStatus;
}

/** Everything of a node's network state that an agent could touch, without counters: equal text = equal state. */
export interface LabHostState {
  readonly iptablesNft: string;
  readonly iptablesLegacy: string;
  readonly ip6tablesNft: string;
  readonly ip6tablesLegacy: string;
  readonly ipset: string;
  readonly rule4: string;
  readonly rule6: string;
  readonly route4: string;
  readonly route6: string;
  readonly sysctl: string;
}

/** An answer to an HTTP GET made from inside a pod's or node's network namespace. */
export interface LabHttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** What a capture on the underlay saw, between `capture start` and now. */
export interface WireSummary {
  /** TCP packets with payload between nodes that concern pods (tunnels, or pod addresses in the clear). */
  readonly packets: number;
  /** Of these, packets whose payload is not TLS records. */
  readonly plaintextPackets: number;
  /** The first few of them, for a person: `10.244.1.2:41234 > 10.244.2.3:8080 GET / HT...`. */
  readonly plaintextSamples: readonly string[];
  /** From ServerHellos seen: `TLSv1.3`; empty when no handshake was seen. */
  readonly tlsVersions: readonly string[];
  /** From ServerHellos' key_share: `X25519MLKEM768`. */
  readonly keyExchanges: readonly string[];
}

export interface WireCaptureTarget {
  readonly node: string;
  readonly pausePid: number;
  readonly uplink: string;
}

/** Implemented in wire/; runs inside the lab's first process (same namespaces, may nsenter into any node). */
export interface WireCapture {
  start(targets: readonly WireCaptureTarget[]): Promise<void>;
  /** May be called any number of times while it runs. */
  summary(): WireSummary;
  stop(): Promise<WireSummary>;
}

/** method -> parameters and result of every control-socket call. Pods are `namespace/name`, or a name when unique. */
export interface LabMethods {
  status: { params: object; result: LabStatus };
  /** The process that holds the namespaces of a pod or node. */
  resolve: { params: { target: string }; result: { pausePid: number } };
  /** iptables, ipset, ip rule and ip route text of what the agent made, one comment per rule. */
  rules: { params: { node: string }; result: string };
  hostState: { params: { node: string }; result: LabHostState };
  /** Creates the pod, starts its command. Resolves when the process has been started, before it is Ready. */
  addPod: { params: { document: LabPod }; result: LabPodStatus };
  /**
   * deletionTimestamp, `preStopSeconds` (default 0), SIGTERM, `graceSeconds` (default the pod's, else 5), SIGKILL,
   * removal. Resolves when the pod is gone. `graceSeconds: 0` kills at once.
   */
  removePod: { params: { pod: string; graceSeconds?: number; preStopSeconds?: number }; result: null };
  /** False: the Ready condition is False whatever the probe says. True: the probe decides again. */
  setReady: { params: { pod: string; ready: boolean }; result: null };
  /** To the pod's whole process group. */
  signalPod: { params: { pod: string; signal: string }; result: null };
  /** Resolves when the process has been started, before it is ready. */
  startAgent: { params: { node: string; instance?: string }; result: LabAgentStatus };
  signalAgent: { params: { node: string; instance?: string; signal: string }; result: null };
  startController: { params: object; result: LabControllerStatus };
  signalController: { params: { signal: string }; result: null };
  /** Writes `<state>/documents/<file>` atomically; kube-proxy and name resolution follow its Services. */
  applyDocuments: { params: { file: string; text: string }; result: null };
  removeDocuments: { params: { file: string }; result: null };
  /** Also after it has ended: what it stored is there again. Resolves when it is ready. */
  startApiServer: { params: object; result: null };
  /** Resolves when its process is gone. */
  endApiServer: { params: { signal: string }; result: null };
  /** Forgets older versions: a watch that goes on from one of them is answered 410. */
  compactApiServer: { params: object; result: null };
  captureStart: { params: object; result: null };
  captureSummary: { params: object; result: WireSummary };
  captureStop: { params: object; result: WireSummary };
  /** GET on 127.0.0.1:15000 of the node (or another port there). */
  nodeHttp: { params: { node: string; port?: number; path: string }; result: LabHttpAnswer };
  /** GET on 127.0.0.1:<port> inside the pod. */
  podHttp: { params: { pod: string; port: number; path: string }; result: LabHttpAnswer };
  /** GET on the controller's admin port. */
  controllerHttp: { params: { path: string }; result: LabHttpAnswer };
  /** Every process of the lab is killed; the connection closes. */
  stop: { params: object; result: null };
}

export type LabMethod = keyof LabMethods;

/** One (client workload, destination) pair of the demo shop. */
export interface LabFlow {
  readonly from: string;
  readonly to: string;
  readonly path: "direct" | "tunnel" | "mixed";
  readonly connections: number;
  readonly requests: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What `--report json` prints. Made by report/ while the lab runs, except `leftovers`, which the launcher adds after. */
export interface LabReport {
  readonly secondsToReady: number;
  readonly mesh: boolean;
  readonly nodes: readonly string[];
  readonly pods: readonly { readonly pod: string; readonly node: string; readonly state: LabPodState }[];
  readonly flows: readonly LabFlow[];
  readonly wire: {
    readonly packets: number;
    readonly plaintextPackets: number;
    readonly tlsVersion: string;
    readonly keyExchange: string;
  };
  readonly intraNode: { readonly requests: number; readonly seenByAgent: number };
  readonly agents: readonly { readonly node: string; readonly rssMb: number; readonly cpuSeconds: number }[];
  /** Reasons why all is not well; empty = exit code 0. */
  readonly problems: readonly string[];
  /** Processes, mounts and files that outlived the lab. */
  readonly leftovers: readonly string[];
}
