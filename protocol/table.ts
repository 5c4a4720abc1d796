/**
 * The routing table: everything an agent knows about the cluster, the same for every node.
 *
 * The controller compiles it from documents, numbers every change, and sends it whole (`TableSnapshot`) or as
 * differences (`TableDelta`). Entries are plain JSON values, replaced whole, never edited in place.
 */
import type { RouteEntry, ValueSource } from "./route-table.ts";

export type EncryptionMode = "strict" | "permissive";
/**
 * Which endpoints of a Service a connection prefers.
 *   prefer-local  those on the caller's node while one can take it, else all
 *   prefer-zone   those in the caller's zone while one can take it, else all
 *   spread        all, in proportion
 */
export type Locality = "prefer-local" | "prefer-zone" | "spread";
/** `source-hash` and `hash` send equal values to the same endpoint; `hash` takes the value from `ServiceEntry.hash`. */
export type LoadBalancerAlgorithm = "least-request" | "peak-ewma" | "round-robin" | "random" | "source-hash" | "hash";

/** Compiled from the one `Mesh` document, defaults filled in. */
export interface MeshSettings {
  /** SPIFFE trust domain, e.g. `cluster.local`. */
  readonly trustDomain: string;
  readonly encryption: EncryptionMode;
  /** For Services that do not say otherwise. */
  readonly locality: Locality;
  readonly loadBalancer: LoadBalancerAlgorithm;
  readonly ejection: EjectionSettings;
  readonly exclude: {
    /** Destination TCP ports that are never intercepted. */
    readonly ports: readonly number[];
    /** Destination CIDRs (IPv4 or IPv6) that are never intercepted. */
    readonly cidrs: readonly string[];
    /** Namespaces whose pods are outside the mesh. Already folded into `WorkloadEntry.mesh`. */
    readonly namespaces: readonly string[];
  };
}

export interface EjectionSettings {
  /** Consecutive connect failures after which an endpoint is ejected. 0 = never. */
  readonly consecutiveFailures: number;
  /** First ejection's length; doubles with every further one, up to `maxEjectionMs`. */
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  /** At most this share (0..100) of a service's endpoints is ejected at once; at least one stays. */
  readonly maxEjectionPercent: number;
}

export interface NodeEntry {
  readonly name: string;
  /** The node's own addresses (IPv4 and IPv6), from which its agent's tunnels come. */
  readonly addresses: readonly string[];
  /** Pod CIDRs of this node. */
  readonly podCidrs: readonly string[];
  /** Absent: the node is in no zone that anybody named. */
  readonly zone?: string;
  /** An agent serves this node. Sticky: a lost channel does not clear it, only an agent's removal does. */
  readonly agent: boolean;
}

/** `ready`: takes new connections. `draining`: terminating, keeps old ones. `unready`: running, but fails its readiness. */
export type WorkloadState = "ready" | "draining" | "unready";

/** One pod. */
export interface WorkloadEntry {
  /** `namespace/name`, unique at any time. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** What a person calls the group of equal pods (Deployment name; label `app`): used in logs and metrics. */
  readonly workload: string;
  readonly node: string;
  /** Pod IPs, IPv4 and/or IPv6. */
  readonly addresses: readonly string[];
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  /** False: outside the mesh, its traffic is never touched. hostNetwork pods are never in the table at all. */
  readonly mesh: boolean;
  readonly state: WorkloadState;
}

export interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: "TCP" | "UDP";
  readonly appProtocol?: string;
  /** As a TrafficPolicy has it, which is before everything else. */
  readonly policyProtocol?: "http" | "http2" | "grpc" | "tcp";
}

/** How requests speak against an endpoint, besides connects. All are off when absent. */
export interface OutlierSettings {
  /** 5xx and resets in a row. */
  readonly consecutiveErrors?: number;
  /** Every `intervalMs`: an endpoint with at least `minRequests` in it, of which fewer than `percent` were good. */
  readonly successShare?: { readonly percent: number; readonly minRequests: number; readonly intervalMs: number };
  /** An endpoint whose latency (p50 of the interval) is more than `factor` times the median of its siblings. */
  readonly latency?: { readonly factor: number; readonly minRequests: number; readonly intervalMs: number };
  /** After an ejection, and for a new endpoint with slow start: its share grows over this time instead of jumping. */
  readonly returnMs?: number;
}

/** New endpoints get a share that grows over `windowMs` from `minPercent` to the whole. */
export interface SlowStartSettings {
  readonly windowMs: number;
  readonly minPercent: number;
}

/** With locality `prefer-zone` or `prefer-local`: others take a part once fewer than this share of the near ones can. */
export interface SpillOverSettings {
  readonly minHealthyPercent: number;
}

export interface ServiceEntry {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** ClusterIPs, IPv4 and/or IPv6; empty for a headless Service. */
  readonly clusterIps: readonly string[];
  readonly ports: readonly ServicePort[];
  /** Set when the Service has its own, else the mesh's. */
  readonly locality?: Locality;
  readonly loadBalancer?: LoadBalancerAlgorithm;
  readonly ejection?: EjectionSettings;
  /** With `loadBalancer: hash`. */
  readonly hash?: ValueSource;
  readonly outlier?: OutlierSettings;
  readonly slowStart?: SlowStartSettings;
  readonly spillOver?: SpillOverSettings;
  /** An endpoint that answers 429 or 503 with Retry-After gets less until then. Absent: true. */
  readonly honorsRetryAfter?: boolean;
  /** Only endpoints on the caller's node take connections (KEP-2086). */
  readonly internalTrafficPolicy?: "Local";
}

interface AnyEndpoint {
  /** What is behind the Service, after the Service's key: `shop/catalog|shop/catalog-1`, `shop/db|192.0.2.5:3306`. */
  readonly key: string;
  /** Key of the Service. */
  readonly service: string;
  /** Service port number -> target port. */
  readonly ports: Readonly<Record<number, number>>;
  /** 1..1000, default 100: share of new connections relative to its siblings. 0 takes none. */
  readonly weight: number;
  /** Of this endpoint, where it is not the pod's own; an address outside the pods is ready unless this says otherwise. */
  readonly state?: WorkloadState;
  /** Topology hints: the zones and the nodes whose connections this endpoint is meant for. */
  readonly forZones?: readonly string[];
  readonly forNodes?: readonly string[];
}

/** One pod behind one Service. */
export interface PodEndpoint extends AnyEndpoint {
  /** uid of the workload. */
  readonly workload: string;
  readonly address?: undefined;
}

/**
 * One address and port behind one Service that belongs to no pod of the table: something outside the cluster, or a pod
 * in its node's network. It is never part of the mesh; all its target ports are the same one.
 */
export interface OutsideEndpoint extends AnyEndpoint {
  readonly workload?: undefined;
  readonly address: string;
  readonly node?: string;
  readonly zone?: string;
}

export type EndpointEntry = PodEndpoint | OutsideEndpoint;

/** Name of each kind -> its entry type. The key of an entry is what `entryKey` gives. */
export interface TableKinds {
  node: NodeEntry;
  workload: WorkloadEntry;
  service: ServiceEntry;
  endpoint: EndpointEntry;
  route: RouteEntry;
}
export type TableKind = keyof TableKinds;

/** The whole table as it travels and as it is stored on disk. */
export interface TableSnapshot {
  /** Changes whenever sequence numbers start anew (a controller without its history). */
  readonly epoch: string;
  readonly sequence: number;
  readonly mesh: MeshSettings;
  readonly nodes: readonly NodeEntry[];
  readonly workloads: readonly WorkloadEntry[];
  readonly services: readonly ServiceEntry[];
  readonly endpoints: readonly EndpointEntry[];
  readonly routes: readonly RouteEntry[];
}

/** What turns the table with `sequence - 1` into the table with `sequence`. */
export interface TableDelta {
  readonly epoch: string;
  readonly sequence: number;
  readonly mesh?: MeshSettings;
  readonly upserts: { readonly [K in TableKind]?: readonly TableKinds[K][] };
  /** Keys removed, per kind. */
  readonly removals: { readonly [K in TableKind]?: readonly string[] };
}
