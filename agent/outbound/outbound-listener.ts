/**
 * Accepts what the rules hand over from local pods. Decides by the pod's address and what it dialled, and either forwards,
 * serves request by request (a Service with routes), or resets with a log line that says why.
 */
import { createServer, type Server, type Socket } from "node:net";
import { addressFamily, formatHostPort, normalizeAddress } from "../../routing/address.ts";
import { type ConnectionDecision, decideConnection, type RefuseDecision } from "../../routing/decide-connection.ts";
import type { TableState } from "../../routing/table-state.ts";
import { HttpConnection } from "../http/client/http-connection.ts";
import type { HttpPlane } from "../http/http-plane.ts";
import type { HttpRouterFor } from "../http/request-router.ts";
import { timers } from "../limits.ts";
import { dialledAddress } from "../sockets/dialled-address.ts";
import { listenOn } from "../sockets/listen-on.ts";
import { resetSocket } from "../sockets/reset-socket.ts";
import { logConnection } from "../telemetry/connection-log.ts";
import { describePeer } from "../worker/data-plane.ts";
import { OutboundConnection, type OutboundDependencies } from "./outbound-connection.ts";

/** For connections that are looked into: which ones, and with what. */
export interface HttpSide {
  readonly plane: HttpPlane;
  readonly routerFor: HttpRouterFor;
}

export class OutboundListener {
  readonly #plane: OutboundDependencies;
  readonly #http: HttpSide | undefined;
  readonly #servers: Server[] = [];

  /** Without `http`, everything is bytes. */
  constructor(plane: OutboundDependencies, http?: HttpSide) {
    this.#plane = plane;
    this.#http = http;
  }

  /** `fd`: a transparent listening socket; taken over. */
  async listen(fd: number): Promise<void> {
    const server = createServer(
      { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: timers.keepAliveMs },
      (socket) => this.accept(socket),
    );
    this.#servers.push(server);
    await listenOn(server, fd, (error) => {
      this.#plane.metrics.refused("accept-failed");
      this.#plane.log.warn(
        { event: "accept-failed", error: error.message },
        "Connection of a pod could not be accepted",
      );
    });
  }

  /** Stops accepting; connections go on. */
  close(): void {
    for (const server of this.#servers) server.close();
  }

  accept(socket: Socket): void {
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
    const http = this.#httpConnection(socket, table, decision, { ...addresses, redirected });
    if (decision.kind === "refuse" && http === undefined) this.#refuse(socket, table, decision, addresses);
    else if (!this.#plane.connections.admits(sourceAddress)) reset(socket);
    else if (http !== undefined) http.start();
    else if (decision.kind === "forward") {
      const decideAgain = (): ConnectionDecision => decideConnection(this.#plane.table() ?? table, facts);
      new OutboundConnection(this.#plane, { socket, table, decision, decideAgain, redirected, ...addresses }).start();
    }
  }

  /** Also for a Service without endpoints: its routes may lead elsewhere, or nowhere. */
  #httpConnection(
    socket: Socket,
    table: TableState,
    { source, service, servicePort }: ConnectionDecision,
    addresses: Addresses & { readonly redirected: boolean },
  ): HttpConnection | undefined {
    if (this.#http === undefined || source === undefined || service === undefined || servicePort === undefined) return;
    const { plane, routerFor } = this.#http;
    const { sourceAddress: address, sourcePort: port, redirected, destinationAddress, destinationPort } = addresses;
    const router = routerFor(source, service.key, servicePort.port, addressFamily(address));
    if (router === undefined) return undefined;
    const facts = {
      source: { workload: source, address, port, redirected },
      service,
      port: servicePort.port,
      dialled: formatHostPort(destinationAddress, destinationPort),
      table,
    };
    return new HttpConnection({ plane, socket, facts, router });
  }

  #refuse(socket: Socket, table: TableState, decision: RefuseDecision, addresses: Addresses): void {
    this.#plane.metrics.refused(decision.code);
    const dialled = formatHostPort(addresses.destinationAddress, addresses.destinationPort);
    logConnection(this.#plane.log, {
      direction: "outbound",
      source: describePeer(table, decision.source, formatHostPort(addresses.sourceAddress, addresses.sourcePort)),
      destination: {
        ...describePeer(table, decision.destination, dialled),
        service: decision.service?.key,
        dialled,
      },
      path: undefined,
      bytesSent: 0,
      bytesReceived: 0,
      durationMs: 0,
      reason: decision.code,
      detail: decision.reason,
    });
    reset(socket);
  }
}

interface Addresses {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

function reset(socket: Socket): void {
  socket.on("error", () => {});
  resetSocket(socket);
}
