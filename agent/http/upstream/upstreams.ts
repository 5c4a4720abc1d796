/** Connections to endpoints, by the version of HTTP that is spoken with them. */
import type { UpstreamPlane } from "../http-plane.ts";
import type { UpstreamTarget } from "./dial-upstream.ts";
import { H1Pool } from "./h1-pool.ts";
import { H2Pool } from "./h2-pool.ts";
import type { UpstreamUser } from "./upstream-request.ts";

export class Upstreams {
  readonly #h1: H1Pool;
  readonly #h2: H2Pool;

  constructor(plane: UpstreamPlane) {
    this.#h1 = new H1Pool(plane);
    this.#h2 = new H2Pool(plane);
  }

  /** Idle ones and those in use. */
  get size(): number {
    return this.#h1.size + this.#h2.size;
  }

  get idleCount(): number {
    return this.#h1.idleCount + this.#h2.idleCount;
  }

  /** A connection for one request of `user`; `fresh` when a kept one has just turned out to be dead. */
  take(target: UpstreamTarget, user: UpstreamUser, fresh: boolean): void {
    const pool = target.version === 2 ? this.#h2 : this.#h1;
    pool.take(target, user, fresh);
  }

  /** Idle ones are closed, and none is kept any more. */
  drain(): void {
    this.#h1.drain();
    this.#h2.drain();
  }
}
