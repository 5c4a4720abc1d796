/**
 * Tunnels to other nodes' pods, several lanes per (source identity, destination pod).
 *
 *   acquire(target) -- a lane with room --> the one with the least load, at once
 *                   \- none -------------> waits for a dial; one at a time per key, keys never wait for each other
 *
 * A busy lane (a bulk transfer) makes the pool dial another one in the background, for the streams to come.
 */
import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import { HBONE_PORT } from "../../protocol/ports.ts";
import { limits, timers } from "../limits.ts";
import type { DialOptions } from "../sockets/dial.ts";
import type { ClientTunnel } from "./engine.ts";
import type { DialledTunnel } from "./engines.ts";
import type { ClientTunnelOptions, Negotiated, TlsSession } from "./h2-client-tunnel.ts";
import { TcpDial } from "./tcp-dial.ts";
import { TunnelError } from "./tunnel-error.ts";

export type PoolErrorCode = "no-certificate" | "too-many-lanes" | "too-many-waiting" | "draining";
export class PoolError extends HawserError<PoolErrorCode> {}

/** What a tunnel belongs to. */
export interface TunnelTarget {
  readonly sourceIdentity: string;
  /** IP address of the destination pod. */
  readonly address: string;
  /** SPIFFE ID that the destination must prove. */
  readonly destinationIdentity: string;
}

export type Acquired = (result: ClientTunnel | TunnelError | PoolError) => void;

export interface TunnelPoolOptions {
  readonly clock: Clock;
  readonly mark: number;
  readonly dial: (options: DialOptions) => Socket;
  readonly secureContext: (identity: string) => SecureContext | undefined;
  readonly onHandshake: (target: TunnelTarget, result: Negotiated | TunnelError) => void;
  readonly onLimit: (name: "lanesPerKey" | "waitingPerKey") => void;
  /** The engine. */
  readonly createTunnel: (options: ClientTunnelOptions) => DialledTunnel;
}

/** A lane that moved more than this in the last moments is busy: a small call behind it would wait for milliseconds. */
const BUSY_LANE_BYTES = 256 * 1024;

interface Group {
  readonly target: TunnelTarget;
  /** Those that are open, and those that are draining. */
  readonly lanes: Set<DialledTunnel>;
  readonly waiting: Set<Acquired>;
  /** First the TCP connection, then the tunnel over it. */
  dialing: { destroy(reason: string): void } | undefined;
  failedMs: number;
  failure: TunnelError | PoolError | undefined;
}

export class TunnelPool {
  readonly #options: TunnelPoolOptions;
  readonly #groups = new Map<string, Group>();
  readonly #tlsSessions = new Map<string, TlsSession>();
  #draining = false;

  constructor(options: TunnelPoolOptions) {
    this.#options = options;
  }

  get tunnelCount(): number {
    let count = 0;
    for (const group of this.#groups.values()) count += group.lanes.size;
    return count;
  }

  /** One line per key, for the operator. */
  describe(): readonly { key: string; lanes: number; streams: number }[] {
    return [...this.#groups].map(([key, group]) => ({
      key,
      lanes: group.lanes.size,
      streams: [...group.lanes].reduce((sum, lane) => sum + lane.openStreams, 0),
    }));
  }

  /** Calls back once, at once when there is a lane. The returned function withdraws the request. */
  acquire(target: TunnelTarget, callback: Acquired): () => void {
    const group = this.#group(target);
    const lane = this.#leastLoaded(group);
    if (lane !== undefined) {
      callback(lane);
      return nothing;
    }
    const refusal = this.#refusal(group);
    if (refusal !== undefined) {
      callback(refusal);
      return nothing;
    }
    group.waiting.add(callback);
    if (group.dialing === undefined) this.#dial(group);
    return () => group.waiting.delete(callback);
  }

  /** New streams of this identity use tunnels with its new certificate; the old tunnels end with their streams. */
  renewed(identity: string): void {
    for (const key of this.#tlsSessions.keys()) {
      if (key.startsWith(`${identity}|`)) this.#tlsSessions.delete(key);
    }
    for (const group of this.#groups.values()) {
      if (group.target.sourceIdentity !== identity) continue;
      for (const lane of group.lanes) lane.drain();
    }
  }

  /** No new tunnels; those that exist take no new streams and close with their last one. */
  drain(): void {
    this.#draining = true;
    for (const group of this.#groups.values()) {
      for (const lane of group.lanes) lane.drain();
    }
  }

  destroy(): void {
    this.#draining = true;
    for (const group of this.#groups.values()) {
      group.dialing?.destroy("the agent is stopping");
      for (const lane of group.lanes) lane.destroy("the agent is stopping");
    }
  }

  #group(target: TunnelTarget): Group {
    const key = keyOf(target);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { target, lanes: new Set(), waiting: new Set(), dialing: undefined, failedMs: -1e9, failure: undefined };
      this.#groups.set(key, group);
    }
    return group;
  }

  #leastLoaded(group: Group): DialledTunnel | undefined {
    let best: DialledTunnel | undefined;
    let bestLoad = Number.POSITIVE_INFINITY;
    for (const lane of group.lanes) {
      if (lane.state !== "open" || lane.openStreams >= lane.maxStreams) continue;
      const load = lane.load;
      if (load < bestLoad) {
        best = lane;
        bestLoad = load;
      }
    }
    if (best !== undefined && bestLoad > BUSY_LANE_BYTES) this.#dialForBusy(group);
    return best;
  }

  #dialForBusy(group: Group): void {
    if (group.dialing !== undefined || this.#draining || this.#failedRecently(group)) return;
    if (openLanes(group) < limits.busyLanesPerKey) this.#dial(group);
  }

  #refusal(group: Group): TunnelError | PoolError | undefined {
    if (this.#draining) return new PoolError("draining", "Agent is stopping and opens no new tunnels");
    if (group.waiting.size >= limits.waitingPerKey) {
      this.#options.onLimit("waitingPerKey");
      return new PoolError("too-many-waiting", `${group.waiting.size} connections already wait for this tunnel`);
    }
    if (group.dialing !== undefined) return undefined;
    // Draining ones do not count: with connections that live for days they would add up, one set per certificate.
    if (openLanes(group) >= limits.lanesPerKey) {
      this.#options.onLimit("lanesPerKey");
      return new PoolError("too-many-lanes", `All ${limits.lanesPerKey} tunnels to ${group.target.address} are full`);
    }
    return this.#failedRecently(group) ? group.failure : undefined;
  }

  #failedRecently(group: Group): boolean {
    return this.#options.clock.monotonicMs() - group.failedMs < timers.redialMs;
  }

  /** A pod that is new on this node gets a moment: its certificate may be on the way. */
  #dial(group: Group, graceMs: number = timers.tableGraceMs): void {
    const { target } = group;
    const secureContext = this.#options.secureContext(target.sourceIdentity);
    if (secureContext !== undefined) {
      this.#connect(group, secureContext);
      return;
    }
    if (graceMs <= 0) {
      const message = `No certificate for ${target.sourceIdentity} yet, check the channel to the controller`;
      this.#failed(group, new PoolError("no-certificate", message));
      return;
    }
    const recheck = (): void => this.#dial(group, graceMs - timers.tableRecheckMs);
    const timer = this.#options.clock.after(timers.tableRecheckMs, recheck);
    group.dialing = {
      destroy: (reason) => {
        timer.cancel();
        this.#failed(group, new PoolError("draining", reason));
      },
    };
  }

  #connect(group: Group, secureContext: SecureContext): void {
    const { target } = group;
    const dial = new TcpDial({
      dial: () => this.#options.dial({ address: target.address, port: HBONE_PORT, mark: this.#options.mark }),
      clock: this.#options.clock,
      onConnected: (socket) => this.#handshake(group, socket, secureContext),
      onFailed: (error) => {
        this.#options.onHandshake(target, error);
        this.#failed(group, error);
      },
    });
    group.dialing = dial;
    dial.start();
  }

  #handshake(group: Group, socket: Socket, secureContext: SecureContext): void {
    const { target } = group;
    const key = keyOf(target);
    const tunnel: DialledTunnel = this.#options.createTunnel({
      socket,
      secureContext,
      expectedIdentity: target.destinationIdentity,
      tlsSession: this.#tlsSessions.get(key),
      clock: this.#options.clock,
      onOpen: (negotiated) => this.#opened(group, tunnel, negotiated, secureContext),
      onTlsSession: (session) => this.#keepTlsSession(key, session),
      onDraining: nothing,
      onClosed: (error) => this.#closed(group, tunnel, error),
    });
    group.dialing = tunnel;
    tunnel.start();
  }

  #opened(group: Group, tunnel: DialledTunnel, negotiated: Negotiated, secureContext: SecureContext): void {
    this.#options.onHandshake(group.target, negotiated);
    group.dialing = undefined;
    group.failure = undefined;
    group.lanes.add(tunnel);
    // A certificate that was renewed during the handshake: those who wait get a tunnel with the new one.
    const outdated = this.#options.secureContext(group.target.sourceIdentity) !== secureContext;
    if (this.#draining || outdated) tunnel.drain();
    // Those that do not fit into this tunnel wait for the next one.
    for (const callback of [...group.waiting]) {
      // One of the others may have withdrawn it meanwhile.
      if (group.waiting.delete(callback)) this.acquire(group.target, callback);
    }
  }

  #closed(group: Group, tunnel: DialledTunnel, error: TunnelError | undefined): void {
    group.lanes.delete(tunnel);
    // In TLS 1.3 the peer judges a ticket after we were done: one it did not take must not fail the next dial as well.
    if (error !== undefined) this.#tlsSessions.delete(keyOf(group.target));
    if (group.dialing === tunnel) {
      const failure = error ?? new TunnelError("tunnel-closed", "Tunnel was closed before it was open");
      this.#options.onHandshake(group.target, failure);
      this.#failed(group, failure);
    } else if (!this.#failedRecently(group)) this.#forgetWhenUnused(group);
  }

  #failed(group: Group, error: TunnelError | PoolError): void {
    group.dialing = undefined;
    group.failure = error;
    group.failedMs = this.#options.clock.monotonicMs();
    this.#options.clock.after(timers.redialMs, () => this.#forgetWhenUnused(group));
    for (const callback of [...group.waiting]) {
      if (group.waiting.delete(callback)) callback(error);
    }
  }

  #forgetWhenUnused(group: Group): void {
    const key = keyOf(group.target);
    const used = group.lanes.size > 0 || group.dialing !== undefined || group.waiting.size > 0;
    if (!used && this.#groups.get(key) === group) this.#groups.delete(key);
  }

  #keepTlsSession(key: string, session: TlsSession): void {
    this.#tlsSessions.delete(key);
    this.#tlsSessions.set(key, session);
    if (this.#tlsSessions.size <= limits.tlsSessions) return;
    for (const oldest of this.#tlsSessions.keys()) {
      this.#tlsSessions.delete(oldest);
      return;
    }
  }
}

function openLanes(group: Group): number {
  let count = 0;
  for (const lane of group.lanes) if (lane.state === "open") count += 1;
  return count;
}

function keyOf(target: TunnelTarget): string {
  return `${target.sourceIdentity}|${target.address}|${target.destinationIdentity}`;
}

function nothing(): void {}
