/** What /status says: the table, who has it in force, who lags behind, and why documents are refused. No secrets. */
import type { TableSnapshot } from "../protocol/table.ts";
import type { AgentSession } from "./agent-session.ts";
import type { ConvergenceSummary } from "./convergence.ts";
import { limits } from "./limits.ts";
import type { QuotaDeskStatus } from "./quota/quota-desk.ts";

export interface StatusFacts {
  readonly table: TableSnapshot | undefined;
  readonly sessions: Iterable<AgentSession>;
  readonly convergence: ConvergenceSummary;
  readonly problems: readonly string[];
  readonly settled: boolean;
  /** Of the certificate that signs now, undefined before there is one. */
  readonly issuer: string | undefined;
  /** Undefined before agents are served. */
  readonly quotas: QuotaDeskStatus | undefined;
  /** Monotonic. */
  readonly nowMs: number;
  readonly wallClockMs: number;
}

export interface AgentStatus {
  readonly node: string;
  readonly instance: string;
  readonly version: string;
  /** Sequence in force at the agent; undefined when it is of another epoch or not known. */
  readonly applied: number | undefined;
  readonly connectedSince: string;
  readonly ready: boolean;
  readonly counters: Readonly<Record<string, number>>;
}

export interface ControllerStatus {
  readonly epoch: string | undefined;
  readonly sequence: number;
  readonly nodes: number;
  readonly workloads: number;
  readonly services: number;
  readonly agents: readonly AgentStatus[];
  /** Nodes whose connected agent has not the newest table in force. */
  readonly stragglers: readonly string[];
  /** Nodes with an agent in the table and none connected. */
  readonly missing: readonly string[];
  /**
   * Nodes whose connected agent still has certificates of another issuer than the one that signs now: while there are any,
   * or `missing` ones, a former root must stay among the trusted ones. With several replicas each tells of its own agents.
   */
  readonly formerIssuer: readonly string[];
  readonly converged: ConvergenceSummary;
  /** False while a newer table is on its way: a change of documents or agents is not judged yet. */
  readonly settled: boolean;
  readonly problems: readonly string[];
  /** SHA-256 of the certificate that signs now. */
  readonly issuer: string | undefined;
  /** Quotas that requests want of now, and who is leased how much of them: at the one replica that leads. */
  readonly quotas: QuotaDeskStatus | undefined;
}

export function controllerStatus(facts: StatusFacts): ControllerStatus {
  const { table, convergence, problems, settled } = facts;
  const serving = [...facts.sessions].filter((session) => session.serving);
  const agents = serving.map((session) => agentStatus(session, facts));
  const former = serving.filter((session) => session.hasFormerIssuer);
  const connected = new Set(agents.map((agent) => agent.node));
  const behind = agents.filter((agent) => agent.applied !== table?.sequence);
  const lost = (table?.nodes ?? []).filter((node) => node.agent && !connected.has(node.name));
  return {
    epoch: table?.epoch,
    sequence: table?.sequence ?? 0,
    nodes: table?.nodes.length ?? 0,
    workloads: table?.workloads.length ?? 0,
    services: table?.services.length ?? 0,
    agents: agents.slice(0, limits.listedAgents),
    stragglers: behind.slice(0, limits.listedAgents).map((agent) => agent.node),
    missing: lost.slice(0, limits.listedAgents).map((node) => node.name),
    formerIssuer: former.slice(0, limits.listedAgents).map((session) => session.node),
    converged: convergence,
    settled,
    issuer: facts.issuer,
    quotas: facts.quotas,
    problems: problems.slice(0, limits.loggedProblems),
  };
}

function agentStatus(session: AgentSession, facts: StatusFacts): AgentStatus {
  const { node, instance, version, applied, ready, counters } = session;
  const connectedSince = new Date(facts.wallClockMs - (facts.nowMs - session.connectedAtMs)).toISOString();
  const sequence = applied?.epoch === facts.table?.epoch ? applied?.sequence : undefined;
  return { node, instance, version, applied: sequence, connectedSince, ready, counters };
}
