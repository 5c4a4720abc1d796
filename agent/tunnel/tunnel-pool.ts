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
import { H2ClientTunnel, type Negotiated, TunnelError } from "./h2-client-tunnel.ts";

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
}

/** A lane that moved more than this in the last moments is busy: a small call behind it would wait for milliseconds. */
const BUSY_LANE_BYTES = 256 * 1024;

interface Group {
  readonly target: TunnelTarget;
  readonly lanes: Set<H2ClientTunnel>;
  readonly waiting: Set<Acquired>;
  dialing: H2ClientTunnel | undefined;
  failedMs: number;
  failure: TunnelError | PoolError | undefined;
}

export class TunnelPool {
  readonly #options: TunnelPoolOptions;
  readonly #groups = new Map<string, Group>();
  readonly #tlsSessions = new Map<string, Buffer>();
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
    for (const group of this.#groups.values()) {
      if (group.target.sourceIdentity !== identity) continue;
      this.#tlsSessions.delete(keyOf(group.target));
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

  #leastLoaded(group: Group): H2ClientTunnel | undefined {
    let best: H2ClientTunnel | undefined;
    let bestLoad = Number.POSITIVE_INFINITY;
    for (const lane of group.lanes) {
      if (lane.state !== "open" || lane.openStreams >= lane.maxStreams) continue;
      const load = lane.load;
      if (load < bestLoad) {
        best = lane;
        bestLoad = load;
      }
    }
    const another = bestLoad > BUSY_LANE_BYTES && group.lanes.size < limits.busyLanesPerKey;
    if (best !== undefined && another && group.dialing === undefined && !this.#draining) this.#dial(group);
    return best;
  }

  #refusal(group: Group): TunnelError | PoolError | undefined {
    if (this.#draining) return new PoolError("draining", "Agent is stopping and opens no new tunnels");
    if (group.waiting.size >= limits.waitingPerKey) {
      this.#options.onLimit("waitingPerKey");
      return new PoolError("too-many-waiting", `${group.waiting.size} connections already wait for this tunnel`);
    }
    if (group.dialing !== undefined) return undefined;
    if (group.lanes.size >= limits.lanesPerKey) {
      this.#options.onLimit("lanesPerKey");
      return new PoolError("too-many-lanes", `All ${group.lanes.size} tunnels to ${group.target.address} are full`);
    }
    const sinceFailureMs = this.#options.clock.monotonicMs() - group.failedMs;
    return sinceFailureMs < timers.redialMs ? group.failure : undefined;
  }

  #dial(group: Group): void {
    const { target } = group;
    const secureContext = this.#options.secureContext(target.sourceIdentity);
    if (secureContext === undefined) {
      const message = `No certificate for ${target.sourceIdentity} yet, check the channel to the controller`;
      this.#failed(group, new PoolError("no-certificate", message));
      return;
    }
    const key = keyOf(target);
    const socket = this.#socketTo(group);
    if (socket === undefined) return;
    const tunnel: H2ClientTunnel = new H2ClientTunnel({
      socket,
      secureContext,
      expectedIdentity: target.destinationIdentity,
      tlsSession: this.#tlsSessions.get(key),
      clock: this.#options.clock,
      onOpen: (negotiated) => this.#opened(group, tunnel, negotiated),
      onTlsSession: (session) => this.#keepTlsSession(key, session),
      onDraining: nothing,
      onClosed: (error) => this.#closed(group, tunnel, error),
    });
    group.dialing = tunnel;
    tunnel.start();
  }

  #socketTo(group: Group): Socket | undefined {
    try {
      return this.#options.dial({ address: group.target.address, port: HBONE_PORT, mark: this.#options.mark });
    } catch (cause) {
      this.#failed(group, new TunnelError("tcp-connect-failed", "Cannot open a socket for a tunnel", { cause }));
      return undefined;
    }
  }

  #opened(group: Group, tunnel: H2ClientTunnel, negotiated: Negotiated): void {
    this.#options.onHandshake(group.target, negotiated);
    group.dialing = undefined;
    group.failure = undefined;
    group.lanes.add(tunnel);
    if (this.#draining) tunnel.drain();
    const waiting = [...group.waiting];
    group.waiting.clear();
    // Those that do not fit into this tunnel wait for the next one.
    for (const callback of waiting) this.acquire(group.target, callback);
  }

  #closed(group: Group, tunnel: H2ClientTunnel, error: TunnelError | undefined): void {
    group.lanes.delete(tunnel);
    if (group.dialing === tunnel && error !== undefined) {
      // A ticket the peer no longer takes must not fail the next dial as well.
      this.#tlsSessions.delete(keyOf(group.target));
      this.#options.onHandshake(group.target, error);
      this.#failed(group, error);
    }
    if (group.lanes.size === 0 && group.dialing === undefined && group.waiting.size === 0) {
      const idle = this.#options.clock.monotonicMs() - group.failedMs > timers.redialMs;
      if (idle) this.#groups.delete(keyOf(group.target));
    }
  }

  #failed(group: Group, error: TunnelError | PoolError): void {
    group.dialing = undefined;
    group.failure = error;
    group.failedMs = this.#options.clock.monotonicMs();
    const waiting = [...group.waiting];
    group.waiting.clear();
    for (const callback of waiting) callback(error);
    this.#options.clock.after(timers.redialMs * 2, () => this.#forgetWhenUnused(group));
  }

  #forgetWhenUnused(group: Group): void {
    const key = keyOf(group.target);
    const used = group.lanes.size > 0 || group.dialing !== undefined || group.waiting.size > 0;
    if (!used && this.#groups.get(key) === group) this.#groups.delete(key);
  }

  #keepTlsSession(key: string, session: Buffer): void {
    this.#tlsSessions.delete(key);
    this.#tlsSessions.set(key, session);
    if (this.#tlsSessions.size <= limits.tlsSessions) return;
    for (const oldest of this.#tlsSessions.keys()) {
      this.#tlsSessions.delete(oldest);
      return;
    }
  }
}

function keyOf(target: TunnelTarget): string {
  return `${target.sourceIdentity}|${target.address}|${target.destinationIdentity}`;
}

function nothing(): void {}
