/**
 * The controller's end of every agent's channel: TLS 1.3, a bearer token that proves the node, then one AgentSession per
 * WebSocket. What is not a valid upgrade costs a TLS handshake and one short answer.
 *
 *   upgrade --path, subprotocol--> authenticate --node of the table--> session
 *                 \-- 404, 400        \-- 401, 503         \-- 403
 *
 * Other replicas come to the same port, by another path, with reports of their agents about quotas.
 */
import { createServer, type Server } from "node:https";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import type { Clock, Timer } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { CHANNEL_PATH, CHANNEL_SUBPROTOCOL } from "../protocol/channel.ts";
import type { QuotaLeaseMessage, QuotaReportMessage, RootsMessage } from "../protocol/channel.ts";
import type { TableSnapshot } from "../protocol/table.ts";
import { type AgentAuthenticator, type Authentication, isTemporary } from "./agent-authenticator.ts";
import { AgentSession, CloseCode, type SessionHost } from "./agent-session.ts";
import type { CertificateSigner } from "./certificate-signer.ts";
import type { Convergence } from "./convergence.ts";
import { limits, timers } from "./limits.ts";
import type { ListenAddress } from "./listen-address.ts";
import { MessageRate } from "./message-rate.ts";
import type { ControllerMetrics, RefusedConnectionReason } from "./metrics.ts";
import type { QuotaDesk } from "./quota/quota-desk.ts";
import { QuotaGuests } from "./quota/quota-guests.ts";
import type { QuotaAgent } from "./quota/quota-leases.ts";
import { REPLICA_PATH } from "./quota/replica-messages.ts";
import type { TableHistory, TablePosition } from "./table-history.ts";
import type { TableMessage } from "./table-message.ts";
import { TokenTerm } from "./token-term.ts";

export interface ServerCertificate {
  /** PEM. Secret. */
  readonly keyPem: string;
  readonly chainPem: string;
}

export interface ChannelServerOptions {
  readonly listen: ListenAddress;
  readonly certificate: ServerCertificate;
  readonly authenticator: AgentAuthenticator;
  /** Whether the table has this node: nobody else has anything to do here. */
  readonly isNode: (node: string) => boolean;
  readonly history: Pick<TableHistory, "current" | "nextMessage" | "snapshotMessage">;
  /** What agents are to trust at this moment. */
  readonly roots: () => RootsMessage;
  readonly signer: Pick<CertificateSigner, "sign">;
  readonly convergence: Convergence;
  readonly quotas: Pick<QuotaDesk, "report" | "left" | "guestReport" | "guestLeft">;
  /** What every other replica has. Secret. */
  readonly replicaToken: () => string;
  /** The node has an agent that is ready. */
  readonly onReady: (node: string) => void;
  /** The node's last agent took its rules away. */
  readonly onRemoved: (node: string) => void;
  readonly metrics: ControllerMetrics;
  readonly clock: Clock;
  readonly log: Log;
}

const NO_TOKEN: Authentication = { refused: "token", detail: "there is no bearer token of a usable length" };

/** RFC 6750 2.1, b64token: join tokens and JWTs are made of fewer characters. */
const BEARER = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/;

export class ChannelServer implements SessionHost {
  readonly #options: ChannelServerOptions;
  readonly #sessions = new Set<AgentSession>();
  readonly #terms = new Map<AgentSession, TokenTerm>();
  /** Oldest first. */
  readonly #byNode = new Map<string, Set<AgentSession>>();
  readonly #strangerLogs: MessageRate;
  readonly #guests: QuotaGuests;
  #server: Server | undefined;
  #sockets: WebSocketServer | undefined;
  #pingTimer: Timer | undefined;
  /** Sessions that have said hello and are not closed yet. */
  #connected = 0;

  constructor(options: ChannelServerOptions) {
    const { clock, log, quotas: desk, replicaToken: token } = options;
    this.#options = options;
    this.#guests = new QuotaGuests({ desk, token, clock, log });
    this.#strangerLogs = new MessageRate(options.clock, limits.strangerLogBurst, limits.strangerLogsPerSecond);
  }

  /** Resolves with the port once listening. */
  start(): Promise<number> {
    const { certificate, clock, listen } = this.#options;
    const server = createServer({
      ...secureContext(certificate),
      handshakeTimeout: timers.handshakeMs,
      headersTimeout: timers.handshakeMs,
      requestTimeout: timers.handshakeMs,
      // How often the two timeouts above are enforced; Node's default is 30 s.
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 8 * 1024,
    });
    server.maxConnections = limits.connections;
    server.on("drop", () => this.#options.metrics.limitHit("connections"));
    server.on("tlsClientError", () => this.#options.metrics.connectionRefused("tls"));
    server.on("request", (_request, response) => response.writeHead(426, { connection: "close" }).end());
    server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server = server;
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: limits.agentMessageBytes,
      perMessageDeflate: false,
      handleProtocols: () => CHANNEL_SUBPROTOCOL,
    });
    this.#pingTimer = clock.every(timers.pingMs, () => {
      for (const session of this.#sessions) session.ping();
    });
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ ...listen }, () => {
        server.off("error", reject);
        resolve((server.address() as AddressInfo).port);
      });
    });
  }

  /** Agents with a channel, also those that have not said hello yet. */
  get sessions(): Iterable<AgentSession> {
    return this.#sessions;
  }

  /** For new connections; those that exist keep theirs. */
  setCertificate(certificate: ServerCertificate): void {
    this.#server?.setSecureContext(secureContext(certificate));
  }

  /** What agents are to trust has changed: all are told at once. */
  announceRoots(): void {
    const message = this.#options.roots();
    for (const session of this.#sessions) session.tellRoots(message);
  }

  /** To the agent's newest channel; nothing when it has none here. */
  sendLease({ node, instance }: QuotaAgent, message: QuotaLeaseMessage): void {
    const sessions = [...(this.#byNode.get(node) ?? [])];
    sessions.findLast((session) => session.serving && session.instance === instance)?.tellLease(message);
  }

  /** There is a new table: everyone who can take it gets it now; nodes that are no longer in it lose their channel. */
  publish(table: TableSnapshot): void {
    const nodes = new Set(table.nodes.map((node) => node.name));
    for (const session of this.#sessions) {
      if (nodes.has(session.node)) session.deliver();
      else session.close(CloseCode.nodeRemoved, "node-removed");
    }
  }

  /** Tells every agent that another replica, or this one again, will serve it soon. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#pingTimer?.cancel();
    const closed = new Promise((resolve) => server.close(resolve));
    for (const session of this.#sessions) session.close(CloseCode.serviceRestart, "controller stops");
    this.#guests.close();
    const cut = this.#options.clock.after(timers.closeMs, () => {
      for (const session of this.#sessions) session.terminate();
      server.closeAllConnections();
    });
    server.closeIdleConnections();
    await closed;
    cut.cancel();
  }

  // SessionHost

  get epoch(): string | undefined {
    return this.#options.history.current?.epoch;
  }

  nextMessage(have: TablePosition | undefined): TableMessage | undefined {
    return this.#options.history.nextMessage(have);
  }

  snapshotMessage(): TableMessage | undefined {
    return this.#options.history.snapshotMessage();
  }

  roots(): RootsMessage {
    return this.#options.roots();
  }

  sign(node: string, csrPem: string): ReturnType<CertificateSigner["sign"]> {
    return this.#options.signer.sign(node, csrPem);
  }

  greeted(session: AgentSession): void {
    this.#countAgents(1);
    const siblings = this.#siblings(session).filter((other) => other.serving);
    for (const other of siblings) {
      if (other.instance === session.instance) other.close(CloseCode.replaced, "replaced");
    }
  }

  applied(session: AgentSession, before: number): void {
    const sequence = session.applied?.sequence ?? before;
    this.#options.convergence.applied(before, sequence, session.connectedAtMs);
  }

  reported(session: AgentSession): void {
    if (session.ready) this.#options.onReady(session.node);
  }

  quotaReported({ node, instance }: AgentSession, message: QuotaReportMessage): void {
    this.#options.quotas.report({ node, instance }, message);
  }

  removed(session: AgentSession): void {
    const { node, instance } = session;
    if (this.#siblings(session).some((other) => other.serving && !other.leaving)) return;
    this.#options.log.info({ node, instance }, "Agent took its rules away and leaves for good");
    this.#options.onRemoved(node);
  }

  closed(session: AgentSession): void {
    this.#sessions.delete(session);
    this.#terms.get(session)?.cancel();
    this.#terms.delete(session);
    const siblings = this.#byNode.get(session.node);
    siblings?.delete(session);
    if (siblings?.size === 0) this.#byNode.delete(session.node);
    if (session.greeted) this.#countAgents(-1);
    const { node, instance } = session;
    // Its new channel may be there already.
    const isBack = this.#siblings(session).some((other) => other.serving && other.instance === instance);
    if (!isBack) this.#options.quotas.left({ node, instance });
    this.#options.log.info({ node: session.node, instance: session.instance }, "Channel of an agent closed");
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => {});
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      this.#refuse(socket, refusal.status, refusal.reason);
      return;
    }
    if (request.url === REPLICA_PATH) this.#admitReplica(request, socket, head);
    else void this.#admit(request, socket, head);
  }

  #admitReplica(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!this.#guests.isReplica(this.#tokenOf(request.headers.authorization ?? "") ?? "")) {
      const detail = "it shows another authority's token, or none";
      this.#logStranger({ address: request.socket.remoteAddress, reason: "replica-token", detail });
      this.#refuse(socket, "401 Unauthorized", "replica-token");
    } else if (this.#guests.size >= limits.replicas) {
      this.#options.metrics.limitHit("replicas");
      this.#refuse(socket, "503 Service Unavailable", "busy");
    } else this.#sockets?.handleUpgrade(request, socket, head, (webSocket) => this.#guests.open(webSocket));
  }

  async #admit(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const address = request.socket.remoteAddress;
    const token = this.#tokenOf(request.headers.authorization ?? "");
    const answer = token === undefined ? NO_TOKEN : await this.#options.authenticator.authenticate(token);
    if (socket.destroyed) return;
    if ("refused" in answer) {
      this.#logStranger({ address, reason: answer.refused, detail: answer.detail });
      this.#refuse(
        socket,
        isTemporary(answer.refused) ? "503 Service Unavailable" : "401 Unauthorized",
        answer.refused,
      );
    } else if (!this.#options.isNode(answer.node)) {
      this.#logStranger({ address, reason: "unknown-node", detail: `the table has no node ${answer.node}` });
      this.#refuse(socket, "403 Forbidden", "unknown-node");
    } else {
      this.#sockets?.handleUpgrade(request, socket, head, (webSocket) => {
        const session = this.#open(webSocket, answer.node);
        if (token !== undefined && answer.expiresAtMs !== undefined) this.#bound(session, token, answer.expiresAtMs);
      });
    }
  }

  #tokenOf(authorization: string): string | undefined {
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined || token.length <= limits.tokenBytes) return token;
    this.#options.metrics.limitHit("tokenBytes");
    return undefined;
  }

  /** The channel ends with its token; the agent comes back with the one that it has by then. */
  #bound(session: AgentSession, token: string, expiresAtMs: number): void {
    const { authenticator, clock, log } = this.#options;
    const { node } = session;
    const onOver = (): void => {
      log.info({ node, expiredAt: new Date(expiresAtMs).toISOString() }, "Token of a channel has expired");
      session.close(CloseCode.tokenExpired, "token-expired");
    };
    const term = new TokenTerm({ authenticator, token, node, expiresAtMs, clock, onOver });
    this.#terms.set(session, term);
    term.start();
  }

  /** Anybody may knock: what is said about it is bounded, the counter has them all. */
  #logStranger(facts: { address: string | undefined; reason: RefusedConnectionReason; detail: string }): void {
    if (this.#strangerLogs.take()) this.#options.log.warn(facts, "Channel refused");
  }

  #refuse(socket: Duplex, status: string, reason: RefusedConnectionReason): void {
    this.#options.metrics.connectionRefused(reason);
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  }

  #open(socket: WebSocket, node: string): AgentSession {
    const { metrics, clock, log } = this.#options;
    const session = new AgentSession({ socket, node, host: this, metrics, clock, log });
    const siblings = this.#siblings(session);
    if (siblings.length >= limits.sessionsPerNode) {
      metrics.limitHit("sessionsPerNode");
      // The oldest: most likely a connection that is dead without knowing it.
      siblings[0]?.terminate();
    }
    this.#sessions.add(session);
    const ofNode = this.#byNode.get(node) ?? new Set();
    this.#byNode.set(node, ofNode.add(session));
    session.start();
    return session;
  }

  /** Other channels of the same node, oldest first. */
  #siblings(session: AgentSession): AgentSession[] {
    return [...(this.#byNode.get(session.node) ?? [])].filter((other) => other !== session);
  }

  #countAgents(more: 1 | -1): void {
    this.#connected += more;
    this.#options.metrics.agentsConnected.set(this.#connected);
  }
}

function secureContext(certificate: ServerCertificate): { key: string; cert: string; minVersion: "TLSv1.3" } {
  return { key: certificate.keyPem, cert: certificate.chainPem, minVersion: "TLSv1.3" };
}

function refusalOf(request: IncomingMessage): { status: string; reason: RefusedConnectionReason } | undefined {
  if (request.url !== CHANNEL_PATH && request.url !== REPLICA_PATH) return { status: "404 Not Found", reason: "path" };
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  return offered.includes(CHANNEL_SUBPROTOCOL) ? undefined : { status: "400 Bad Request", reason: "protocol" };
}
