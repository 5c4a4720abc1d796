/**
 * HTTP/1.1 connections to endpoints that wait for their next request, per endpoint and source pod: a server must never see
 * one pod's request come from another pod's address.
 *
 *   take: the youngest idle one, which its server is the least likely to close now; else a new one
 *   give: kept until its idle time is over, or the server's own, whichever comes first; not on a tunnel that drains
 */
import type { Timer } from "../../../core/clock.ts";
import type { UpstreamPlane } from "../http-plane.ts";
import { type HttpLimitName, httpLimits, httpTimers } from "../limits.ts";
import { ConnectionAccount } from "./connection-account.ts";
import { dialUpstream, isToLeave, type UpstreamTarget } from "./dial-upstream.ts";
import { H1Upstream } from "./h1-upstream.ts";
import type { UpstreamUser } from "./upstream-request.ts";

const MS_PER_SECOND = 1_000;

export class H1Pool {
  readonly #plane: UpstreamPlane;
  /** The youngest at the end. */
  readonly #idle = new Map<string, H1Upstream[]>();
  /** By the key that each is kept under. */
  readonly #open = new Map<H1Upstream, string>();
  #idleCount = 0;
  #sweep: Timer | undefined;
  #draining = false;

  constructor(plane: UpstreamPlane) {
    this.#plane = plane;
  }

  /** Idle ones and those in use. */
  get size(): number {
    return this.#open.size;
  }

  get idleCount(): number {
    return this.#idleCount;
  }

  /** A connection for one request of `user`; `fresh` when an idle one has just turned out to be dead. */
  take(target: UpstreamTarget, user: UpstreamUser, fresh: boolean): void {
    const key = target.poolKey;
    const idle = fresh ? undefined : this.#takeIdle(key);
    if (idle !== undefined) {
      idle.begin(user);
      return;
    }
    const upstream = this.#create(key, target);
    upstream.begin(user);
    dialUpstream(this.#plane, target, upstream);
  }

  /** Idle ones are closed, and none is kept any more. */
  drain(): void {
    this.#draining = true;
    for (const list of [...this.#idle.values()]) {
      for (const upstream of list) upstream.close("closed");
    }
    this.#idle.clear();
    this.#idleCount = 0;
    this.#stopSweep();
  }

  #create(key: string, target: UpstreamTarget): H1Upstream {
    const account = new ConnectionAccount(this.#plane, target);
    const upstream = new H1Upstream({
      candidate: target.candidate,
      clock: this.#plane.clock,
      onOpen: () => account.opened(),
      onFinished: (finished) => this.#give(finished),
      onIdleLost: (lost) => this.#forgetIdle(key, lost),
      onClosed: (closed, reason) => {
        this.#open.delete(closed);
        account.closed(reason);
      },
    });
    this.#open.set(upstream, key);
    return upstream;
  }

  /** The request is over, as far as its user is concerned. */
  #give(upstream: H1Upstream): void {
    if (!upstream.release()) return;
    const key = this.#open.get(upstream);
    if (key === undefined) return;
    const nowMs = this.#plane.clock.monotonicMs();
    upstream.idleUntilMs = nowMs + idleMs(upstream);
    const isOld = nowMs - upstream.startedMs > httpTimers.upstreamLifetimeMs || isToLeave(upstream);
    if (this.#draining || isOld || upstream.idleUntilMs <= nowMs || !this.#hasRoom(key)) {
      upstream.close("closed");
      return;
    }
    this.#keep(key, upstream);
  }

  #takeIdle(key: string): H1Upstream | undefined {
    const list = this.#idle.get(key);
    for (;;) {
      const upstream = list?.pop();
      if (upstream === undefined) return undefined;
      // An empty list and the sweep stay for the next sweep to end: the request gives the connection back.
      this.#idleCount -= 1;
      if (!isToLeave(upstream)) return upstream;
      upstream.close("closed");
    }
  }

  #keep(key: string, upstream: H1Upstream): void {
    const list = this.#idle.get(key);
    if (list === undefined) this.#idle.set(key, [upstream]);
    else list.push(upstream);
    this.#idleCount += 1;
    this.#sweep ??= this.#plane.clock.every(httpTimers.idleSweepMs, () => this.#closeOutdated());
  }

  #hasRoom(key: string): boolean {
    if (this.#idleCount >= httpLimits.idleUpstreams) return this.#refuse("idleUpstreams");
    if ((this.#idle.get(key)?.length ?? 0) >= httpLimits.idlePerEndpoint) return this.#refuse("idlePerEndpoint");
    return true;
  }

  #refuse(limit: HttpLimitName): false {
    this.#plane.metrics.limitHit(limit);
    return false;
  }

  #forgetIdle(key: string, upstream: H1Upstream): void {
    const list = this.#idle.get(key);
    const index = list?.indexOf(upstream) ?? -1;
    if (list === undefined || index === -1) return;
    list.splice(index, 1);
    this.#idleCount -= 1;
  }

  #closeOutdated(): void {
    const nowMs = this.#plane.clock.monotonicMs();
    for (const [key, list] of [...this.#idle]) {
      for (const upstream of list.filter((each) => each.idleUntilMs <= nowMs || isToLeave(each))) {
        this.#forgetIdle(key, upstream);
        upstream.close("closed");
      }
      if (list.length === 0) this.#idle.delete(key);
    }
    if (this.#idleCount === 0) this.#stopSweep();
  }

  #stopSweep(): void {
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }
}

function idleMs({ keepAliveSeconds }: H1Upstream): number {
  if (keepAliveSeconds === undefined) return httpTimers.idleUpstreamMs;
  return Math.min(httpTimers.idleUpstreamMs, keepAliveSeconds * MS_PER_SECOND - httpTimers.idleMarginMs);
}
