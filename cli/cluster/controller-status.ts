/**
 * What the controllers' replicas say about the mesh, as one: every replica serves some of the agents, and only together they
 * know who is there and who lags behind.
 */

/** Of a replica's `/status`, as far as it is read here. */
export interface ReplicaStatus {
  readonly sequence: number;
  readonly nodes: number;
  readonly workloads: number;
  readonly services: number;
  readonly agents: readonly AgentReport[];
  /** Nodes with an agent in the table that is not connected to this replica. */
  readonly missing: readonly string[];
  readonly stragglers: readonly string[];
  /** Nodes whose agent has certificates of another issuer than the one that signs now. */
  readonly formerIssuer: readonly string[];
  readonly converged: { readonly samples: number; readonly p50Ms?: number; readonly p99Ms?: number };
  readonly settled: boolean;
  readonly problems: readonly string[];
  /** Absent: a controller of an older version. */
  readonly quotas?: { readonly leases: readonly QuotaReport[] };
}

/** A quota that requests want of now, as the replica tells that leases it. */
export interface QuotaReport {
  readonly name: string;
  readonly requests: number;
  readonly perMs: number;
  /** In requests per `perMs`. */
  readonly agents: readonly { readonly node: string; readonly wanted: number; readonly leased: number }[];
}

export interface AgentReport {
  readonly node: string;
  readonly version: string;
  readonly applied?: number;
  readonly ready: boolean;
}

export interface Replica {
  /** The pod's name, or the address that was asked. */
  readonly name: string;
  readonly status: ReplicaStatus | { readonly problem: string };
}

export interface MeshStatus {
  readonly replicas: readonly Replica[];
  readonly leader: string | undefined;
  readonly nodes: number;
  readonly workloads: number;
  readonly services: number;
  /** By node. */
  readonly agents: readonly (AgentReport & { readonly replica: string })[];
  /** Nodes with an agent in the table, and no channel to any replica that answered. */
  readonly missing: readonly string[];
  readonly stragglers: readonly string[];
  /** A former root must stay trusted as long as there are any. */
  readonly formerIssuer: readonly string[];
  readonly problems: readonly string[];
  readonly quotas: readonly QuotaReport[];
  /** Every agent has its replica's newest table in force. */
  readonly converged: boolean;
  readonly p99Ms: number | undefined;
}

export function meshStatus(replicas: readonly Replica[], leader: string | undefined): MeshStatus {
  const answers = replicas.flatMap(({ name, status }) => ("problem" in status ? [] : [{ name, ...status }]));
  const largest = (read: (one: ReplicaStatus) => number): number => Math.max(0, ...answers.map(read));
  const agents = answers
    .flatMap(({ name, agents: reports }) => reports.map((report) => ({ ...report, replica: name })))
    .sort((a, b) => a.node.localeCompare(b.node));
  const connected = new Set(agents.map(({ node }) => node));
  const missing = union(answers.map((one) => one.missing)).filter((node) => !connected.has(node));
  const stragglers = union(answers.map((one) => one.stragglers));
  const slowest = answers.flatMap(({ converged }) => converged.p99Ms ?? []);
  return {
    replicas,
    leader,
    nodes: largest((one) => one.nodes),
    workloads: largest((one) => one.workloads),
    services: largest((one) => one.services),
    agents,
    missing,
    stragglers,
    formerIssuer: union(answers.map((one) => one.formerIssuer)),
    problems: union(answers.map((one) => one.problems)),
    quotas: answers.flatMap(({ quotas }) => quotas?.leases ?? []),
    converged: answers.length > 0 && stragglers.length + missing.length === 0 && answers.every((one) => one.settled),
    p99Ms: slowest.length === 0 ? undefined : Math.max(...slowest),
  };
}

function union(lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())].sort();
}
