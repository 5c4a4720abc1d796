/**
 * One CONNECT stream from another node towards a local pod.
 *
 *   request -> checks -> dial the application from the client's address -> 200 -> relay -> closed
 *                 \ 400, 401            \ 503, with hawser-reason
 *
 * Bytes the client sent early wait in the stream (up to its window) until the application has accepted.
 */
import type { Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import { HBONE_PORT } from "../../protocol/ports.ts";
import type { WorkloadEntry } from "../../protocol/table.ts";
import { formatHostPort } from "../../routing/address.ts";
import type { TableState } from "../../routing/table-state.ts";
import { timers } from "../limits.ts";
import { type CloseReason, Relay } from "../relay/relay.ts";
import { ANY_PORT } from "../sockets/dial.ts";
import type { PodSocket } from "../sockets/pod-socket.ts";
import { resetSocket } from "../sockets/reset-socket.ts";
import { logConnection } from "../telemetry/connection-log.ts";
import type { ConnectionLabels } from "../telemetry/metrics-batch.ts";
import type { ConnectionCounters } from "../telemetry/worker-metrics.ts";
import type { IncomingStream, ServerTunnel } from "../tunnel/engine.ts";
import { type DataPlane, describePeer } from "../worker/data-plane.ts";
import { parseAuthority, type StreamSource, streamSource } from "./peer-check.ts";

/** Tells the caller's operator why (beyond HBONE, which has no such header). */
const REASON_HEADER = "hawser-reason";

interface Destination {
  readonly workload: WorkloadEntry;
  readonly address: string;
  readonly port: number;
}

export class InboundConnection {
  readonly #plane: DataPlane;
  readonly #tunnel: ServerTunnel;
  readonly #stream: IncomingStream;
  readonly #startedMs: number;
  #aborted = false;
  #counters: ConnectionCounters | undefined;
  #service: string | undefined;

  constructor(plane: DataPlane, tunnel: ServerTunnel, stream: IncomingStream) {
    this.#plane = plane;
    this.#tunnel = tunnel;
    this.#stream = stream;
    this.#startedMs = plane.clock.monotonicMs();
  }

  start(): void {
    this.#stream.onAbort(() => {
      this.#aborted = true;
    });
    const table = this.#plane.table();
    const destination = table === undefined ? "no table yet" : this.#destination(table);
    if (typeof destination === "string") this.#refuse(400, "bad-request", destination, undefined);
    else this.#authorize(destination, timers.tableGraceMs);
  }

  /** The local pod and port that the request names, which must be the pod that was dialled. */
  #destination(table: TableState): Destination | string {
    if (this.#stream.method !== "CONNECT") return `method must be CONNECT, it is ${this.#stream.method}`;
    const { authority } = this.#stream.request;
    const target = parseAuthority(authority);
    if (target === undefined) return `:authority must be ip:port, it is "${authority.slice(0, 100)}"`;
    if (target.address !== this.#tunnel.podAddress) {
      return `:authority ${authority} is not the pod that was dialled, ${this.#tunnel.podAddress}`;
    }
    if (target.port === HBONE_PORT) return `port ${HBONE_PORT} is the tunnels' own`;
    const workload = table.workloadByAddress(target.address);
    if (workload === undefined || workload.node !== this.#plane.node)
      return `no pod of this node has ${target.address}`;
    // The address was given to another pod since: this peer has verified somebody else.
    if (table.identityOf(workload) !== this.#tunnel.podIdentity) {
      return `${target.address} is ${table.identityOf(workload)} now, the tunnel is to ${this.#tunnel.podIdentity}`;
    }
    return { workload, ...target };
  }

  /** Waits a moment for a source that the table does not have yet: the caller's table may be a step ahead. */
  #authorize(destination: Destination, graceMs: number): void {
    if (this.#aborted) return;
    const table = this.#plane.table();
    const peer = { identity: this.#tunnel.peerIdentity, address: this.#tunnel.peerAddress };
    const source =
      table === undefined ? "no table" : streamSource(table, peer, this.#stream.request.headers["forwarded"]);
    if (typeof source !== "string") {
      this.#connect(source, destination);
      return;
    }
    if (graceMs <= 0) {
      this.#refuse(401, "denied", source, destination);
      return;
    }
    const { clock } = this.#plane;
    clock.after(timers.tableRecheckMs, () => this.#authorize(destination, graceMs - timers.tableRecheckMs));
  }

  #connect(source: StreamSource, destination: Destination): void {
    if (!this.#plane.connections.admits(undefined)) {
      this.#refuse(503, "limit", "the destination's agent has too many connections", destination);
      return;
    }
    this.#dial(source, destination, source.port);
  }

  #dial(source: StreamSource, destination: Destination, sourcePort: number): void {
    let socket: PodSocket;
    try {
      socket = this.#plane.dialPod({
        address: destination.address,
        port: destination.port,
        mark: this.#plane.mark,
        // A pod that calls itself by way of another node cannot have its own address on both ends.
        ...(source.address === destination.address ? {} : { source: { address: source.address, port: sourcePort } }),
      });
    } catch (error) {
      this.#refuse(503, "connect-failed", describeError(error), destination);
      return;
    }
    this.#awaitConnect(socket, source, destination, sourcePort);
  }

  #awaitConnect(socket: PodSocket, source: StreamSource, destination: Destination, sourcePort: number): void {
    const timer: Timer = this.#plane.clock.after(timers.tcpConnectMs, () =>
      socket.destroy(new Error(`no answer within ${timers.tcpConnectMs} ms`)),
    );
    const failed = (error: NodeJS.ErrnoException): void => {
      // From this port the pod has a connection to the same application already, or one that is ending: it dialled two
      // addresses that lead there. Any other port will do.
      const isPortTaken = error.code === "EADDRNOTAVAIL" && sourcePort !== ANY_PORT;
      if (!isPortTaken) this.#plane.metrics.dial("failed");
      if (this.#aborted) return;
      if (isPortTaken) {
        this.#dial(source, destination, ANY_PORT);
        return;
      }
      const where = formatHostPort(destination.address, destination.port);
      this.#refuse(503, "connect-failed", `cannot reach ${where}: ${error.message}`, destination);
    };
    const gone = (): void => timer.cancel();
    socket.once("error", failed);
    socket.once("close", gone);
    // The kernel may have connected it already: the application is not to see an end in order.
    this.#stream.onAbort(() => resetSocket(socket));
    socket.once("connect", () => {
      timer.cancel();
      socket.off("error", failed);
      socket.off("close", gone);
      this.#plane.metrics.dial("ok");
      if (this.#aborted) resetSocket(socket);
      else this.#connected(socket, source, destination);
    });
  }

  #connected(socket: PodSocket, source: StreamSource, destination: Destination): void {
    const { writes, clock, metrics, connections } = this.#plane;
    const relay: Relay = new Relay({
      socket,
      writes,
      podIsSource: false,
      onResponse: () => {},
      onStreamLost: () => {},
      onClosed: (reason, detail) => this.#closed(relay, source, destination, reason, detail),
    });
    socket.setKeepAlive(true, timers.keepAliveMs);
    connections.add(relay, undefined);
    const labels = this.#labels(source, destination);
    this.#counters = metrics.connectionOpened(labels);
    metrics.connectDuration(labels, clock.monotonicMs() - this.#startedMs);
    relay.start(clock.monotonicMs());
    relay.established(this.#counters);
    relay.attach(this.#stream.accept({}, relay));
  }

  #refuse(status: number, code: string, reason: string, destination: Destination | undefined): void {
    this.#plane.metrics.refused(code);
    this.#stream.refuse(status, { [REASON_HEADER]: headerText(reason) });
    const table = this.#plane.table();
    if (table === undefined) return;
    logConnection(this.#plane.log, {
      direction: "inbound",
      source: { address: this.#tunnel.peerAddress, identity: this.#tunnel.peerIdentity },
      destination: describePeer(table, destination?.workload, this.#stream.request.authority.slice(0, 100)),
      path: "tunnel",
      bytesSent: 0,
      bytesReceived: 0,
      durationMs: this.#plane.clock.monotonicMs() - this.#startedMs,
      reason: code,
      detail: reason,
    });
  }

  #closed(
    relay: Relay,
    source: StreamSource,
    destination: Destination,
    reason: CloseReason,
    detail: string | undefined,
  ): void {
    const { metrics, connections, log, clock } = this.#plane;
    connections.remove(relay);
    if (this.#counters !== undefined) metrics.connectionClosed(this.#counters, reason);
    const table = this.#plane.table();
    if (table === undefined) return;
    const { address, port, workload } = destination;
    logConnection(log, {
      direction: "inbound",
      source: describePeer(
        table,
        source.workload,
        formatHostPort(source.address, source.port),
        this.#tunnel.peerIdentity,
      ),
      destination: { ...describePeer(table, workload, formatHostPort(address, port)), service: this.#service },
      path: "tunnel",
      bytesSent: relay.sentBytes,
      bytesReceived: relay.receivedBytes,
      durationMs: clock.monotonicMs() - this.#startedMs,
      reason,
      detail,
    });
  }

  #labels(source: StreamSource, destination: Destination): ConnectionLabels {
    this.#service = this.#dialledService(destination);
    return {
      direction: "inbound",
      sourceWorkload: source.workload.workload,
      sourceNamespace: source.workload.namespace,
      destinationService: this.#service ?? "",
      destinationWorkload: destination.workload.workload,
      destinationNamespace: destination.workload.namespace,
      path: "tunnel",
    };
  }

  /** `host=` of the forwarded header is a hint: it counts only if that Service really has this pod as an endpoint. */
  #dialledService(destination: Destination): string | undefined {
    const match = /host="?([a-z0-9-]+)\.([a-z0-9-]+)\.svc/.exec(this.#stream.request.headers["forwarded"] ?? "");
    if (match === null) return undefined;
    const key = `${match[2]}/${match[1]}`;
    return this.#plane.table()?.endpoint(`${key}|${destination.workload.uid}`) === undefined ? undefined : key;
  }
}

/** Printable ASCII only, no blanks around it (RFC 9113 section 8.2.1: that would be a malformed answer), and short. */
function headerText(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, " ")
    .slice(0, 300)
    .trim();
}
