/**
 * HTTP/2 connections to endpoints, per endpoint and source pod; each carries many requests.
 *
 *   take: the oldest that has room, so that later ones become idle; else a new one
 *   a sweep a second: idle ones end, those that are too old, or whose tunnel drains, take no more requests and end with their last
 */
import type { Timer } from "../../../core/clock.ts";
import type { UpstreamPlane } from "../http-plane.ts";
import { httpTimers } from "../limits.ts";
import { ConnectionAccount } from "./connection-account.ts";
import { dialUpstream, isToLeave, type UpstreamTarget } from "./dial-upstream.ts";
import { H2Upstream } from "./h2-upstream.ts";
import type { UpstreamUser } from "./upstream-request.ts";

export class H2Pool {
  readonly #plane: UpstreamPlane;
  /** The oldest first. */
  readonly #open = new Map<string, H2Upstream[]>();
  #size = 0;
  #sweep: Timer | undefined;
  #draining = false;

  constructor(plane: UpstreamPlane) {
    this.#plane = plane;
  }

  get size(): number {
    return this.#size;
  }

  get idleCount(): number {
    let count = 0;
    for (const list of this.#open.values()) count += list.filter((upstream) => upstream.isIdle).length;
    return count;
  }

  /** `fresh`: a new connection, which those share that lost the same one together. */
  take(target: UpstreamTarget, user: UpstreamUser, fresh: boolean): void {
    const key = target.poolKey;
    const known = this.#open.get(key)?.find((upstream) => upstream.hasRoom && (!fresh || upstream.isFresh));
    if (known !== undefined) {
      known.begin(user);
      return;
    }
    const upstream = this.#create(key, target);
    upstream.begin(user);
    dialUpstream(this.#plane, target, upstream);
  }

  /** Idle ones are closed, and none is kept any more. */
  drain(): void {
    this.#draining = true;
    for (const list of [...this.#open.values()]) {
      for (const upstream of [...list]) upstream.leave();
    }
  }

  #create(key: string, target: UpstreamTarget): H2Upstream {
    const { clock, metrics } = this.#plane;
    const account = new ConnectionAccount(this.#plane, target);
    const upstream = new H2Upstream({
      candidate: target.candidate,
      clock,
      onOpen: () => account.opened(),
      onLimit: (name) => metrics.limitHit(name),
      onClosed: (closed, reason) => {
        this.#remove(key, closed);
        account.closed(reason);
      },
    });
    const list = this.#open.get(key);
    if (list === undefined) this.#open.set(key, [upstream]);
    else list.push(upstream);
    this.#size += 1;
    this.#sweep ??= clock.every(httpTimers.idleSweepMs, () => this.#sweepAll());
    return upstream;
  }

  #remove(key: string, upstream: H2Upstream): void {
    const list = this.#open.get(key);
    const index = list?.indexOf(upstream) ?? -1;
    if (list === undefined || index === -1) return;
    list.splice(index, 1);
    if (list.length === 0) this.#open.delete(key);
    this.#size -= 1;
    if (this.#size > 0) return;
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }

  #sweepAll(): void {
    const nowMs = this.#plane.clock.monotonicMs();
    for (const list of [...this.#open.values()]) {
      for (const upstream of [...list]) {
        const isOld = nowMs - upstream.startedMs > httpTimers.upstreamLifetimeMs;
        if (isOld || this.#draining || isToLeave(upstream)) upstream.leave();
        else upstream.sweep(nowMs, httpTimers.idleUpstreamMs);
      }
    }
  }
}
