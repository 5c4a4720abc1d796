/**
 * The Lease `hawser-controller`: which replica writes what only one may write. The rules are client-go's.
 *
 *   follower --Lease free, or not renewed for its whole duration--> leader --renewed every 2 s--> leader
 *      ^                                                              |
 *      +------- not renewed for 10 s, taken by another, released -----+
 *
 * Times of others' clocks are written for people and never read: a holder counts as gone when this replica itself has seen
 * no change for the duration that the Lease names. A leader whose process was suspended finds out from its own clock.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { isKubeStatus, type KubeClient, type KubeObject, noAnswer } from "../../kubernetes/kube-client.ts";
import type { Leadership } from "../leadership.ts";
import { timers } from "../limits.ts";
import { readIfThere } from "../../kubernetes/read-if-there.ts";

export interface LeaderLeaseOptions {
  readonly client: Pick<KubeClient, "get" | "create" | "replace">;
  readonly namespace: string;
  /** Unlike that of any other replica, now or earlier. */
  readonly identity: string;
  readonly onChange?: (isLeader: boolean) => void;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

interface Lease extends KubeObject {
  readonly spec?: LeaseSpec;
}

const NAME = "hawser-controller";
/** As client-go: replicas that started together do not go on in step. */
const RETRY_JITTER = 1.2;

export class LeaderLease implements Leadership {
  readonly #options: LeaderLeaseOptions;
  readonly #path: string;
  /** What was seen last, and since when it has been like that by our own clock (monotonic). */
  #seen: Lease | undefined;
  #seenSinceMs = 0;
  /** Monotonic; undefined: not the leader. */
  #renewedAtMs: number | undefined;
  #timer: Timer | undefined;
  #watchdog: Timer | undefined;
  #trying: Promise<void> = Promise.resolve();
  #lastFailure = "";
  #told = false;
  #closing: Promise<void> | undefined;

  constructor(options: LeaderLeaseOptions) {
    this.#options = options;
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`;
  }

  start(): void {
    this.#tryNow();
    // A request without an answer must not hide that the time is over.
    this.#watchdog = this.#options.clock.every(timers.leaseRetryMs, () => this.#tell());
  }

  get isLeader(): boolean {
    const renewedAtMs = this.#renewedAtMs;
    return renewedAtMs !== undefined && this.#options.clock.monotonicMs() - renewedAtMs < timers.leaseRenewMs;
  }

  /** Who holds it, for people; undefined while nobody is known to. */
  get holder(): string | undefined {
    return this.#seen?.spec?.holderIdentity;
  }

  /** A leader lets go, so that another one need not wait. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#timer?.cancel();
    this.#watchdog?.cancel();
    await this.#atMost(timers.leaseReleaseMs, this.#trying);
    if (this.isLeader) await this.#atMost(timers.leaseReleaseMs, this.#release());
    this.#lose();
  }

  #tryNow(): void {
    this.#trying = this.#try().finally(() => {
      if (this.#closing !== undefined) return;
      const waitMs = timers.leaseRetryMs * (this.isLeader ? 1 : 1 + this.#options.random() * (RETRY_JITTER - 1));
      this.#timer = this.#options.clock.after(waitMs, () => this.#tryNow());
    });
  }

  /** Never rejects. */
  async #try(): Promise<void> {
    // Before the request: what it says is true of no later moment.
    const askedAtMs = this.#options.clock.monotonicMs();
    try {
      const held = await this.#inTime(this.#acquireOrRenew());
      this.#lastFailure = "";
      this.#renewedAtMs = held ? askedAtMs : undefined;
    } catch (error) {
      this.#failed(error);
    }
    this.#tell();
  }

  /** A request that hangs must not keep the next one from being made; what it still does is seen then. */
  #inTime(work: Promise<boolean>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const late = noAnswer("TimedOut", `The Lease had no answer within ${timers.leaseRenewMs} ms`);
      const timer = this.#options.clock.after(timers.leaseRenewMs, () => reject(late));
      void work.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  async #acquireOrRenew(): Promise<boolean> {
    const lease = await readIfThere<Lease>(this.#options.client, `${this.#path}/${NAME}`);
    if (lease === undefined) {
      const body = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: this.#metadata() };
      this.#see(await this.#options.client.create<Lease>(this.#path, { ...body, spec: this.#spec(undefined) }));
      return true;
    }
    this.#see(lease);
    if (!this.#isOurs(lease) && !this.#isFree(lease)) return false;
    // With the version that was read: of two that try at once, one gets a conflict.
    const body = { ...lease, spec: this.#spec(lease.spec) };
    this.#see(await this.#options.client.replace<Lease>(`${this.#path}/${NAME}`, body));
    return true;
  }

  #see(lease: Lease): void {
    if (lease.metadata.resourceVersion === this.#seen?.metadata.resourceVersion) return;
    this.#seen = lease;
    this.#seenSinceMs = this.#options.clock.monotonicMs();
  }

  #isOurs(lease: Lease): boolean {
    return lease.spec?.holderIdentity === this.#options.identity;
  }

  #isFree(lease: Lease): boolean {
    const { holderIdentity = "", leaseDurationSeconds = timers.leaseMs / 1_000 } = lease.spec ?? {};
    if (holderIdentity === "") return true;
    return this.#options.clock.monotonicMs() - this.#seenSinceMs >= leaseDurationSeconds * 1_000;
  }

  #metadata(): object {
    const labels = { "app.kubernetes.io/name": "hawser", "app.kubernetes.io/component": "controller" };
    return { name: NAME, namespace: this.#options.namespace, labels };
  }

  #spec(before: LeaseSpec | undefined): LeaseSpec {
    const now = microTime(this.#options.clock.nowMs());
    const stays = before?.holderIdentity === this.#options.identity;
    const transitions = before?.leaseTransitions ?? 0;
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: timers.leaseMs / 1_000,
      acquireTime: stays ? (before.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: before === undefined || stays ? transitions : transitions + 1,
    };
  }

  async #release(): Promise<void> {
    const lease = this.#seen;
    if (lease === undefined) return;
    const now = microTime(this.#options.clock.nowMs());
    // A duration must be positive; nobody waits for it, the holder is empty.
    const spec = { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime: now, acquireTime: now };
    try {
      await this.#options.client.replace(`${this.#path}/${NAME}`, { ...lease, spec });
      this.#options.log.info({ lease: NAME }, "Leader has released its Lease");
    } catch (error) {
      this.#failed(error);
    }
  }

  /** What comes later is not waited for: a stop has its own deadline. */
  #atMost(ms: number, work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(ms, resolve);
      void work.finally(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #lose(): void {
    this.#renewedAtMs = undefined;
    this.#tell();
  }

  #tell(): void {
    const { isLeader } = this;
    if (isLeader === this.#told) return;
    this.#told = isLeader;
    const { identity, log, onChange } = this.#options;
    if (isLeader) log.info({ event: "leader", identity }, "This replica is the leader");
    else log.warn({ event: "follower", identity, holder: this.holder }, "This replica is not the leader any more");
    onChange?.(isLeader);
  }

  /** A line when the reason is new. A conflict is another replica that was faster: nothing to tell. */
  #failed(error: unknown): void {
    if (isKubeStatus(error, 409)) return;
    const reason = describeError(error);
    if (reason === this.#lastFailure) return;
    this.#lastFailure = reason;
    this.#options.log.warn({ lease: NAME, error: reason }, "Cannot acquire or renew the Lease, trying again");
  }
}

/** Kubernetes' MicroTime: RFC 3339 with six digits. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
