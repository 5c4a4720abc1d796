/**
 * Accepts what the rules hand over from local pods. Decides by the pod's address and what it dialled, and either forwards,
 * serves request by request (a Service with routes), or resets with a log line that says why.
 */
import { createServer, type Server, type Socket } from "node:net";
import { addressFamily, formatHostPort, normalizeAddress } from "../../routing/address.ts";
import {
  type ConnectionDecision,
  decideConnection,
  type RefusalCode,
  type RefuseDecision,
} from "../../routing/decide-connection.ts";
import { choosePortProtocol } from "../../routing/port-protocol.ts";
import type { TableState } from "../../routing/table-state.ts";
import { HttpConnection } from "../http/client/http-connection.ts";
import type { HttpPlane } from "../http/http-plane.ts";
import { RequestMemory } from "../http/request-memory.ts";
import type { HttpRouterFor, RequestRouter } from "../http/request-router.ts";
import type { CloseReason } from "../relay/relay.ts";
import { acceptPods, streamOf } from "../sockets/accept-pods.ts";
import { dialledAddress } from "../sockets/dialled-address.ts";
import { listenOn } from "../sockets/listen-on.ts";
import type { PodSocket } from "../sockets/pod-socket.ts";
import { resetSocket } from "../sockets/reset-socket.ts";
import { tcpInternals } from "../sockets/tcp-internals.ts";
import { logConnection } from "../telemetry/connection-log.ts";
import { describePeer } from "../worker/data-plane.ts";
import { OutboundConnection, type OutboundDependencies, type OutboundFirstSpeaker } from "./outbound-connection.ts";
import { ProtocolDetection } from "./protocol-detection.ts";

/** For connections that are looked into: which ones, and with what. */
export interface HttpSide {
  readonly plane: HttpPlane;
  readonly routerFor: HttpRouterFor;
}

export class OutboundListener {
  readonly #plane: OutboundDependencies;
  readonly #http: HttpSide | undefined;
  readonly #detection: ProtocolDetection;
  readonly #servers: Server[] = [];

  /** Without `http`, everything is bytes. */
  constructor(plane: OutboundDependencies, http?: HttpSide) {
    this.#plane = plane;
    this.#http = http;
    this.#detection = new ProtocolDetection(plane);
  }

  /** `fd`: a transparent listening socket; taken over. */
  async listen(fd: number): Promise<void> {
    // What else they are to be they have from the listening socket.
    const server = createServer({ allowHalfOpen: true }, (socket) => this.accept(socket));
    this.#servers.push(server);
    await listenOn(server, fd, (error) => {
      this.#plane.metrics.refused("accept-failed");
      this.#plane.log.warn(
        { event: "accept-failed", error: error.message },
        "Connection of a pod could not be accepted",
      );
    });
    acceptPods(server, tcpInternals, (socket) => this.accept(socket));
  }

  /** Stops accepting; connections go on. */
  close(): void {
    for (const server of this.#servers) server.close();
  }

  accept(socket: PodSocket): void {
    const sourceAddress = normalizeAddress(socket.remoteAddress ?? "");
    const { remotePort: sourcePort } = socket;
    const dialled = dialledAddress(socket);
    if (sourceAddress === undefined || !sourcePort || dialled === "gone") {
      socket.destroy();
      return;
    }
    if (dialled === "unknown") {
      this.#plane.metrics.refused("not-redirected");
      reset(socket);
      return;
    }
    const { address: destinationAddress, port: destinationPort, redirected } = dialled;
    const addresses = { sourceAddress, sourcePort, destinationAddress, destinationPort };
    const table = this.#plane.table();
    if (table === undefined) {
      this.#plane.metrics.refused("no-table");
      this.#plane.log.warn(
        { event: "connection", reason: "no-table", ...addresses },
        "No table yet, connection refused",
      );
      reset(socket);
      return;
    }
    const facts = { node: this.#plane.node, ...addresses };
    const decision = decideConnection(table, facts);
    const arrival = { socket, table, facts, decision, redirected };
    const router = this.#routerOf(arrival);
    if (router === undefined && decision.kind === "refuse") this.#refuse(arrival, decision);
    else if (!this.#plane.connections.admits(sourceAddress)) reset(socket);
    else if (router === undefined) this.#relay(arrival);
    else this.#serveOrRelay(arrival, router);
  }

  /** Also for a Service without endpoints: its routes may lead elsewhere, or nowhere. */
  #routerOf({ facts, decision }: Arrival): RequestRouter | undefined {
    const { source, service, servicePort } = decision;
    if (source === undefined || service === undefined || servicePort === undefined) return undefined;
    return this.#http?.routerFor(source, service.key, servicePort.port, addressFamily(facts.sourceAddress));
  }

  #serveOrRelay(arrival: Arrival, router: RequestRouter): void {
    const { facts, decision } = arrival;
    const { service, servicePort } = decision;
    if (service === undefined || servicePort === undefined) return;
    const { protocol } = choosePortProtocol(servicePort, router.kind);
    if (protocol === "bytes") {
      this.#relay(arrival);
      return;
    }
    const socket = streamOf(arrival.socket);
    const streamed = { ...arrival, socket };
    if (protocol === "http") this.#serve(streamed, router, undefined);
    else {
      this.#detection.begin({
        socket,
        sourceAddress: facts.sourceAddress,
        dialled: formatHostPort(facts.destinationAddress, facts.destinationPort),
        servicePort: `${service.key}:${servicePort.port}`,
        canRelay: decision.kind === "forward",
        serve: (first) => this.#serve(streamed, router, first),
        relay: (first, firstSpeaker) => this.#relay(streamed, first, firstSpeaker),
        lost: (detail) => this.#log(streamed, "reset-by-pod", detail),
      });
    }
  }

  #serve(
    { socket, table, facts: at, decision, redirected }: StreamArrival,
    router: RequestRouter,
    first?: Buffer,
  ): void {
    const { source, service, servicePort } = decision;
    if (this.#http === undefined || source === undefined || service === undefined || servicePort === undefined) return;
    const httpSource = { workload: source, address: at.sourceAddress, port: at.sourcePort, redirected };
    const facts = {
      source: httpSource,
      service,
      port: servicePort.port,
      dialled: formatHostPort(at.destinationAddress, at.destinationPort),
      table,
      memory: new RequestMemory(httpSource, service.key, table),
    };
    new HttpConnection({ plane: this.#http.plane, socket, facts, router }).start(first);
  }

  #relay(arrival: Arrival, first?: Buffer, firstSpeaker?: OutboundFirstSpeaker): void {
    const { socket, table, facts, decision, redirected } = arrival;
    if (decision.kind === "refuse") {
      this.#refuse(arrival, decision);
      return;
    }
    const decideAgain = (): ConnectionDecision => decideConnection(this.#plane.table() ?? table, facts);
    const watched = firstSpeaker === undefined ? {} : { firstSpeaker };
    const about = { socket, table, decision, decideAgain, redirected, ...facts, ...watched };
    new OutboundConnection(this.#plane, about).start(first);
  }

  #refuse(arrival: Arrival, decision: RefuseDecision): void {
    this.#plane.metrics.refused(decision.code);
    this.#log(arrival, decision.code, decision.reason);
    reset(arrival.socket);
  }

  /** Of a connection that nobody has carried. */
  #log({ table, facts, decision }: Arrival, reason: RefusalCode | CloseReason, detail: string): void {
    const dialled = formatHostPort(facts.destinationAddress, facts.destinationPort);
    const destination = decision.kind === "refuse" ? decision.destination : undefined;
    logConnection(this.#plane.log, {
      direction: "outbound",
      source: describePeer(table, decision.source, formatHostPort(facts.sourceAddress, facts.sourcePort)),
      destination: { ...describePeer(table, destination, dialled), service: decision.service?.key, dialled },
      path: undefined,
      bytesSent: 0,
      bytesReceived: 0,
      durationMs: 0,
      reason,
      detail,
    });
  }
}

/** A pod's connection, and what the table says to it. */
interface Arrival {
  readonly socket: PodSocket;
  readonly table: TableState;
  readonly facts: Addresses & { readonly node: string };
  readonly decision: ConnectionDecision;
  /** See DialledAddress. */
  readonly redirected: boolean;
}

interface StreamArrival extends Arrival {
  readonly socket: Socket;
}

interface Addresses {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

function reset(socket: PodSocket): void {
  socket.on("error", () => {});
  resetSocket(socket);
}
