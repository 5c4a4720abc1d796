/**
 * One connection of a local pod on its way to another node.
 *
 *   decide -> pick endpoint -> tunnel -> CONNECT (+ early data) -> answer 200 -> relay -> closed
 *                 ^                |          |         |
 *                 \---- another endpoint, while nothing was delivered and tries are left
 *                                  \ none left: the pod's connection is reset, with the reason in the log
 */
import type { Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { WorkloadEntry } from "../../protocol/table.ts";
import { formatHostPort } from "../../routing/address.ts";
import type { ConnectionDecision, ForwardDecision } from "../../routing/decide-connection.ts";
import type { TableState } from "../../routing/table-state.ts";
import type { Attempt } from "../balance/attempt.ts";
import type { Balancers } from "../balance/balancers.ts";
import { limits, timers } from "../limits.ts";
import { PlainStream } from "../relay/plain-stream.ts";
import { type CloseReason, type FirstSpeaker, Relay } from "../relay/relay.ts";
import { ANY_PORT } from "../sockets/dial.ts";
import type { PodSocket } from "../sockets/pod-socket.ts";
import { logConnection } from "../telemetry/connection-log.ts";
import type { ConnectionLabels } from "../telemetry/metrics-batch.ts";
import type { ConnectionCounters } from "../telemetry/worker-metrics.ts";
import { type ClientTunnel, ErrorCode, type TunnelStream } from "../tunnel/engine.ts";
import { PoolError, type TunnelPool } from "../tunnel/tunnel-pool.ts";
import { type DataPlane, describePeer } from "../worker/data-plane.ts";
import { connectHeaders } from "./connect-headers.ts";
import { dialSource } from "./dial-source.ts";
import type { Traceparents } from "./traceparents.ts";

export interface OutboundDependencies extends DataPlane {
  readonly pool: TunnelPool;
  readonly balancers: Balancers;
  readonly traceparents: Traceparents;
}

export interface OutboundFacts {
  readonly socket: PodSocket;
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
  /** See DialledAddress. */
  readonly redirected: boolean;
  readonly table: TableState;
  readonly decision: ForwardDecision;
  /** By the table as it is now. */
  readonly decideAgain: () => ConnectionDecision;
  /** Of a port whose protocol nobody said. */
  readonly firstSpeaker?: OutboundFirstSpeaker;
}

export interface OutboundFirstSpeaker {
  /** The pod's first bytes: whether they are not for this connection. */
  isOthers(chunk: Buffer): boolean;
  /** Then the socket and they are handed over, when nothing of this connection is left. */
  handOver(chunk: Buffer): void;
  onServer(): void;
}

export class OutboundConnection {
  readonly #plane: OutboundDependencies;
  readonly #facts: OutboundFacts;
  readonly #relay: Relay;
  readonly #startedMs: number;
  #tried: Set<string> | undefined;
  #decision: ForwardDecision;
  #attempts = 0;
  #attempt: Attempt | undefined;
  /** What was tried last, for the log. */
  #lastAttempt: Attempt | undefined;
  #attemptStartedMs = 0;
  #stream: TunnelStream | undefined;
  #withdraw: (() => void) | undefined;
  #answerTimer: Timer | undefined;
  #counters: ConnectionCounters | undefined;
  #over = false;
  /** Why the last try failed, for the log. */
  #failure: string | undefined;

  constructor(plane: OutboundDependencies, facts: OutboundFacts) {
    this.#plane = plane;
    this.#facts = facts;
    this.#decision = facts.decision;
    this.#startedMs = plane.clock.monotonicMs();
    this.#relay = new Relay({
      socket: facts.socket,
      writes: plane.writes,
      podIsSource: true,
      onResponse: (status, reason) => this.#answered(status, reason),
      onStreamLost: (code, reason) => this.#streamLost(code, reason),
      onClosed: (reason, detail) => this.#closed(reason, detail),
      ...this.#watchFirstSpeaker(facts.firstSpeaker),
    });
  }

  /** `first`: what was read of the pod's socket before. */
  start(first?: Buffer): void {
    this.#plane.connections.add(this.#relay, this.#facts.sourceAddress);
    this.#relay.start(this.#startedMs, first);
    this.#tryNext();
  }

  #watchFirstSpeaker(watched: OutboundFirstSpeaker | undefined): { readonly firstSpeaker?: FirstSpeaker } {
    if (watched === undefined) return {};
    const onPod = (chunk: Buffer): boolean => {
      if (!watched.isOthers(chunk)) return false;
      this.#letGo();
      watched.handOver(chunk);
      return true;
    };
    return { firstSpeaker: { onPod, onFar: () => watched.onServer() } };
  }

  /** The endpoint was dialled for nothing, and is told. */
  #letGo(): void {
    this.#relay.letGo();
    this.#stream = undefined;
    this.#ended("closed");
  }

  #tryNext(): void {
    if (this.#over) return;
    if (this.#attempts > 0) this.#decideAgain();
    const attempt = this.#attempts < limits.connectAttempts ? this.#pick() : undefined;
    if (attempt === undefined) {
      this.#relay.abort("connect-failed", this.#failure ?? "no endpoint is left to try");
      return;
    }
    if (this.#attempts > 0) this.#plane.metrics.retry();
    this.#attempts += 1;
    this.#attempt = attempt;
    this.#lastAttempt = attempt;
    this.#attemptStartedMs = this.#plane.clock.monotonicMs();
    this.#answerTimer = this.#plane.clock.after(timers.connectAnswerMs, () => this.#unanswered(attempt));
    const { transport, workload } = attempt.candidate;
    if (transport === "tunnel" && workload !== undefined) this.#throughTunnel(attempt, workload);
    else this.#withoutTunnel(attempt);
  }

  /** A try may take seconds: the endpoints of its beginning may be gone, and others have come. */
  #decideAgain(): void {
    const decision = this.#facts.decideAgain();
    if (decision.kind === "forward") this.#decision = decision;
  }

  #pick(): Attempt | undefined {
    const { destinationAddress, destinationPort, sourceAddress } = this.#facts;
    const decision = this.#decision;
    return this.#plane.balancers.pick({
      destination:
        decision.service === undefined
          ? formatHostPort(destinationAddress, destinationPort)
          : `${decision.service.key}:${destinationPort}`,
      candidates: decision.candidates,
      algorithm: decision.loadBalancer,
      ejection: decision.ejection,
      ...(decision.choice === undefined ? {} : { choice: decision.choice }),
      sourceAddress,
      // A connection has no other value.
      hashValue: sourceAddress,
      ...(this.#tried === undefined ? {} : { exclude: this.#tried }),
    });
  }

  #throughTunnel(attempt: Attempt, destination: WorkloadEntry): void {
    const { table } = this.#facts;
    const decision = this.#decision;
    const { candidate } = attempt;
    const target = {
      sourceIdentity: table.identityOf(decision.source),
      address: candidate.address,
      destinationIdentity: table.identityOf(destination),
    };
    let answered = false;
    const withdraw = this.#plane.pool.acquire(target, (result) => {
      answered = true;
      this.#withdraw = undefined;
      if (this.#over || this.#attempt !== attempt) return;
      // A pool's refusal (no certificate, its own bounds) says nothing about the endpoint.
      if (result instanceof PoolError) this.#failed(describeError(result), "failed", { blame: false });
      else if (result instanceof Error) this.#failed(describeError(result), "failed");
      else this.#openStream(result, attempt);
    });
    // When it was answered at once, the next attempt may be the one that waits by now.
    if (!answered) this.#withdraw = withdraw;
  }

  #openStream(tunnel: ClientTunnel, attempt: Attempt): void {
    const { sourceAddress, sourcePort } = this.#facts;
    const { candidate } = attempt;
    const request = {
      authority: formatHostPort(candidate.address, candidate.port),
      headers: connectHeaders({
        decision: this.#decision,
        sourceAddress,
        sourcePort,
        traceparent: this.#plane.traceparents.next(),
      }),
    };
    try {
      this.#use(tunnel.openStream(request, this.#relay));
    } catch (error) {
      this.#failed(describeError(error), "failed");
    }
  }

  /** An endpoint of this node, outside the mesh, or (permissive) of a node without an agent. */
  #withoutTunnel({ candidate }: Attempt): void {
    const { sourceAddress: address, sourcePort, redirected } = this.#facts;
    // Another port when there was a try before: from its own one the client may have a connection to this endpoint already.
    const port = this.#attempts > 1 ? ANY_PORT : sourcePort;
    try {
      const socket = this.#plane.dialPod({
        address: candidate.address,
        port: candidate.port,
        mark: this.#plane.mark,
        ...dialSource(candidate, { address, port, redirected }),
      });
      this.#use(new PlainStream(socket, this.#relay));
    } catch (error) {
      this.#failed(describeError(error), "failed");
    }
  }

  #use(stream: TunnelStream): void {
    this.#stream = stream;
    this.#relay.attach(stream);
  }

  #answered(status: number, reason: string | undefined): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    if (status !== 200) {
      const why = reason ?? `answer ${status}`;
      // 503: the application did not accept. Anything else is a verdict on us, which another endpoint would repeat.
      if (status === 503) this.#failed(`${attempt.candidate.key}: ${why}`, "refused");
      else this.#refused(`${attempt.candidate.key} refused with ${status}: ${why}`);
      return;
    }
    this.#answerTimer?.cancel();
    const { metrics, clock } = this.#plane;
    const labels = this.#labels(attempt);
    attempt.connected(clock.monotonicMs() - this.#attemptStartedMs);
    metrics.dial("ok");
    metrics.connectDuration(labels, clock.monotonicMs() - this.#startedMs);
    this.#counters = metrics.connectionOpened(labels);
    this.#relay.established(this.#counters);
  }

  #unanswered(attempt: Attempt): void {
    const why = `no answer from ${attempt.candidate.key} within ${timers.connectAnswerMs} ms`;
    if (!this.#mayBeDelivered()) {
      this.#failed(why, "timeout");
      return;
    }
    this.#plane.metrics.dial("timeout");
    attempt.failed();
    this.#giveUp(`${why}, and data was sent, which may be delivered yet`);
  }

  /** Bytes went into a tunnel: they count as delivered, unless the answer says otherwise. */
  #mayBeDelivered(): boolean {
    return this.#stream !== undefined && this.#relay.sentAnything && this.#attempt?.candidate.transport === "tunnel";
  }

  #streamLost(code: number, reason: string): void {
    const delivered = this.#mayBeDelivered();
    this.#stream = undefined;
    // REFUSED_STREAM: the peer did not process it (RFC 9113 section 8.7), so the same endpoint may be tried again.
    if (code === ErrorCode.refusedStream) {
      this.#attempt?.finished();
      this.#again(`${reason}, stream refused`);
      return;
    }
    if (delivered) {
      this.#refused(`${reason} after data was sent, which may have been delivered`);
      return;
    }
    this.#failed(reason, "failed");
  }

  /** This endpoint cannot be had: on to another one. */
  #failed(why: string, result: "failed" | "timeout" | "refused", { blame } = { blame: true }): void {
    const attempt = this.#attempt;
    if (attempt === undefined || this.#over) return;
    this.#plane.metrics.dial(result);
    this.#tried ??= new Set();
    this.#tried.add(attempt.candidate.key);
    if (blame) attempt.failed();
    else attempt.finished();
    this.#again(why);
  }

  #again(why: string): void {
    this.#failure = why;
    this.#forgetAttempt();
    this.#tryNext();
  }

  /** No other endpoint would do better, or bytes may have been delivered. */
  #refused(why: string): void {
    this.#plane.metrics.dial("refused");
    this.#attempt?.finished();
    this.#giveUp(why);
  }

  #giveUp(why: string): void {
    this.#forgetAttempt();
    this.#relay.abort("refused", why);
  }

  #forgetAttempt(): void {
    this.#answerTimer?.cancel();
    this.#withdraw?.();
    this.#withdraw = undefined;
    this.#attempt = undefined;
    this.#stream?.reset(ErrorCode.cancel);
    this.#stream = undefined;
    this.#relay.detach();
  }

  #closed(reason: CloseReason, detail: string | undefined): void {
    if (this.#counters === undefined) this.#plane.metrics.refused(reason);
    this.#ended(reason);
    this.#log(reason, detail);
  }

  #ended(reason: CloseReason): void {
    this.#over = true;
    this.#attempt?.finished();
    this.#answerTimer?.cancel();
    this.#withdraw?.();
    const { metrics, connections } = this.#plane;
    connections.remove(this.#relay);
    if (this.#counters !== undefined) metrics.connectionClosed(this.#counters, reason);
  }

  #log(reason: CloseReason, detail: string | undefined): void {
    const { table, sourceAddress, sourcePort, destinationAddress, destinationPort } = this.#facts;
    const decision = this.#decision;
    const dialled = formatHostPort(destinationAddress, destinationPort);
    const candidate = this.#lastAttempt?.candidate;
    const reached = candidate === undefined ? dialled : formatHostPort(candidate.address, candidate.port);
    logConnection(this.#plane.log, {
      direction: "outbound",
      source: describePeer(table, decision.source, formatHostPort(sourceAddress, sourcePort)),
      destination: {
        ...describePeer(table, candidate?.workload, reached),
        service: decision.service?.key,
        dialled,
      },
      path: candidate?.transport,
      bytesSent: this.#relay.sentBytes,
      bytesReceived: this.#relay.receivedBytes,
      durationMs: this.#plane.clock.monotonicMs() - this.#startedMs,
      reason,
      detail,
    });
  }

  #labels(attempt: Attempt): ConnectionLabels {
    const decision = this.#decision;
    const { workload, transport } = attempt.candidate;
    return {
      direction: "outbound",
      sourceWorkload: decision.source.workload,
      sourceNamespace: decision.source.namespace,
      destinationService: decision.service?.key ?? "",
      destinationWorkload: workload?.workload ?? "",
      destinationNamespace: workload?.namespace ?? "",
      path: transport,
    };
  }
}
