/**
 * Every metric of the controller, in a registry of its own. Labels have a fixed set of values.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { AuthenticationRefusal } from "./agent-authenticator.ts";
import type { LimitName } from "./limits.ts";

export type RefusedConnectionReason =
  | AuthenticationRefusal
  | "unknown-node"
  | "path"
  | "protocol"
  | "tls"
  | "wrong-node"
  | "no-hello"
  | "replica-token"
  | "invalid-message"
  | "node-removed";

/** A test or a second controller in one process has its own. */
export class ControllerMetrics {
  readonly registry = new Registry();
  readonly #registers = [this.registry];

  readonly tableSequence = new Gauge({
    name: "hawser_controller_table_sequence",
    help: "Sequence number of the table in force",
    registers: this.#registers,
  });
  readonly documentProblems = new Gauge({
    name: "hawser_controller_document_problems",
    help: "Problems for which the newest state of the documents, or a part of it, is not in force, 0 when all of it is",
    registers: this.#registers,
  });
  readonly documentsRefused = new Counter({
    name: "hawser_controller_documents_refused_total",
    help: "States of the documents that were refused as a whole",
    registers: this.#registers,
  });
  readonly agentsConnected = new Gauge({
    name: "hawser_controller_agents_connected",
    help: "Agents with an open channel",
    registers: this.#registers,
  });
  readonly convergenceSeconds = new Histogram({
    name: "hawser_controller_convergence_seconds",
    help: "From the publication of a change to an agent's word that it is in force",
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: this.#registers,
  });
  readonly signRequests = new Counter({
    name: "hawser_controller_sign_requests_total",
    help: "Certificate requests by result",
    labelNames: ["result"],
    registers: this.#registers,
  });
  readonly messagesReceived = new Counter({
    name: "hawser_controller_messages_received_total",
    help: "Messages from agents by kind; kinds this version does not know are counted as unknown",
    labelNames: ["kind"],
    registers: this.#registers,
  });
  readonly messagesSent = new Counter({
    name: "hawser_controller_table_messages_sent_total",
    help: "Snapshots and deltas sent to agents",
    labelNames: ["kind"],
    registers: this.#registers,
  });
  readonly connectionsRefused = new Counter({
    name: "hawser_controller_connections_refused_total",
    help: "Connections that did not become or remain an agent's channel, by reason",
    labelNames: ["reason"],
    registers: this.#registers,
  });
  readonly #limitHits = new Counter({
    name: "hawser_controller_limit_hits_total",
    help: "How often a bound of controller/limits.ts was hit",
    labelNames: ["limit"],
    registers: this.#registers,
  });
  readonly storeFailures = new Counter({
    name: "hawser_controller_store_failures_total",
    help: "Files of the state directory that could not be written",
    registers: this.#registers,
  });
  readonly authorityExpiry = new Gauge({
    name: "hawser_controller_ca_expiry_seconds",
    help: "When the certificate authority's certificate ends, in seconds since the Unix epoch",
    registers: this.#registers,
  });

  readonly quotaLeases = new Counter({
    name: "hawser_controller_quota_leases_total",
    help: "Leases given to agents, each a share of one quota",
    registers: this.#registers,
  });
  readonly quotasInDemand = new Gauge({
    name: "hawser_controller_quotas_in_demand",
    help: "Quotas that requests want of now; 0 at a replica that does not lease",
    registers: this.#registers,
  });

  readonly tokenReviews = new Counter({
    name: "hawser_controller_token_reviews_total",
    help: "Tokens of agents that the API server was asked about, by result; what a cache knew is not among them",
    labelNames: ["result"],
    registers: this.#registers,
  });
  readonly leader = new Gauge({
    name: "hawser_controller_leader",
    help: "1 while this replica holds the Lease: it alone writes what only one may write",
    registers: this.#registers,
  });
  readonly taints = new Counter({
    name: "hawser_controller_taint_removals_total",
    help: "Nodes whose taint agent-not-ready was removed, by result",
    labelNames: ["result"],
    registers: this.#registers,
  });
  readonly apiFailures = new Counter({
    name: "hawser_controller_api_failures_total",
    help: "Objects of Hawser's own that could not be read or written in the API server, by object",
    labelNames: ["object"],
    registers: this.#registers,
  });

  /** Memory, CPU, event loop of this process. Once per process, in main. */
  collectProcessMetrics(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  limitHit(limit: LimitName): void {
    this.#limitHits.inc({ limit });
  }

  connectionRefused(reason: RefusedConnectionReason): void {
    this.connectionsRefused.inc({ reason });
  }
}
