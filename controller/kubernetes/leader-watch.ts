/** Who leads, as an address: the Lease names the holder's pod, and the API server knows where that is. */
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { KubeClient, KubeObject } from "../../kubernetes/kube-client.ts";
import { timers } from "../limits.ts";
import type { QuotaLeader } from "../quota/quota-desk.ts";

export interface LeaderWatchOptions {
  readonly client: Pick<KubeClient, "get">;
  readonly namespace: string;
  readonly lease: { readonly isLeader: boolean; readonly holder: string | undefined };
  readonly clock: Clock;
  readonly log: Log;
}

interface PodAddress extends KubeObject {
  readonly status?: { readonly podIP?: string };
}

export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  #onChange: (leader: QuotaLeader) => void = () => {};
  #timer: Timer | undefined;
  /** Whose address was asked for. */
  #asked: string | undefined;
  #told: QuotaLeader;

  constructor(options: LeaderWatchOptions) {
    this.#options = options;
  }

  start(onChange: (leader: QuotaLeader) => void): void {
    this.#onChange = onChange;
    this.#timer = this.#options.clock.every(timers.leaseRetryMs, () => this.look());
    this.look();
  }

  /** The Lease may have changed. */
  look(): void {
    const { isLeader, holder = "" } = this.#options.lease;
    if (isLeader) {
      this.#asked = undefined;
      this.#tell("self");
    } else if (holder === "") {
      this.#asked = undefined;
      this.#tell(undefined);
    } else if (holder !== this.#asked) {
      this.#asked = holder;
      if (this.#told === "self") this.#tell(undefined);
      void this.#find(holder);
    }
  }

  close(): void {
    this.#timer?.cancel();
    this.#onChange = () => {};
  }

  async #find(holder: string): Promise<void> {
    const { client, log, namespace } = this.#options;
    // The identity of a replica is its pod's name, and what tells its lives apart.
    const pod = holder.slice(0, holder.lastIndexOf("_"));
    try {
      const { status } = await client.get<PodAddress>(`/api/v1/namespaces/${namespace}/pods/${pod}`);
      if (this.#asked !== holder) return;
      if (status?.podIP !== undefined) this.#tell({ host: status.podIP });
      else this.#asked = undefined;
    } catch (error) {
      log.warn({ holder, error: describeError(error) }, "Cannot find out where the leader is, trying again");
      if (this.#asked === holder) this.#asked = undefined;
    }
  }

  #tell(leader: QuotaLeader): void {
    if (hostOf(leader) === hostOf(this.#told)) return;
    this.#told = leader;
    this.#onChange(leader);
  }
}

function hostOf(leader: QuotaLeader): string | undefined {
  return typeof leader === "object" ? leader.host : leader;
}
