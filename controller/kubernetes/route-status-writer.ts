/**
 * Keeps Hawser's part in the status of HTTPRoutes and GRPCRoutes, where the Gateway API is installed, now or later.
 *
 *   routes, grants, Services change --> look (at most every second) --leader? different?--> patch of the status
 *        ^                                                                                      |
 *        +-- 409: somebody else wrote it; the watch brings what they wrote, and it is looked at anew
 *
 * A status is patched as a whole list, under the version that was read: what another controller wrote is never lost.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { isKubeStatus, type KubeClient, type KubeObject } from "../../kubernetes/kube-client.ts";
import { Reflector } from "../../kubernetes/reflector.ts";
import { limits } from "./limits.ts";
import { type Grant, reduceGrant, reduceRoute, type Route, type RouteKind } from "./route-objects.ts";
import { wantedParents } from "./route-status.ts";
import type { SourceMetrics } from "./source-metrics.ts";

export interface RouteStatusWriterOptions {
  readonly client: KubeClient;
  readonly isLeader: () => boolean;
  readonly hasService: (namespace: string, name: string) => boolean;
  readonly metrics: SourceMetrics;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** How often it is looked whether something is to be written. */
const LOOK_MS = 1_000;

const GROUP = "/apis/gateway.networking.k8s.io";

const PLURALS: Readonly<Record<RouteKind, string>> = { HTTPRoute: "httproutes", GRPCRoute: "grpcroutes" };

export class RouteStatusWriter {
  readonly #options: RouteStatusWriterOptions;
  readonly #routes: readonly Reflector<KubeObject, Route>[];
  readonly #grants: Reflector<KubeObject, Grant>;
  #timer: Timer | undefined;
  /** Something may be different from what the statuses say. */
  #isDirty = true;
  #wasLeader = false;
  #isFailing = false;
  #writing: Promise<void> | undefined;

  constructor(options: RouteStatusWriterOptions) {
    this.#options = options;
    this.#routes = [this.#mirrorRoutes("HTTPRoute"), this.#mirrorRoutes("GRPCRoute")];
    // v1beta1 is served by every release of the Gateway API.
    this.#grants = this.#mirror(`${GROUP}/v1beta1/referencegrants`, reduceGrant);
  }

  start(): void {
    for (const mirror of [...this.#routes, this.#grants]) mirror.start();
    this.#timer = this.#options.clock.every(LOOK_MS, () => this.#look());
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await Promise.all([...this.#routes, this.#grants].map((mirror) => mirror.close()));
    await this.#writing;
  }

  /** A Service came or went. */
  servicesChanged(): void {
    this.#isDirty = true;
  }

  #mirrorRoutes(kind: RouteKind): Reflector<KubeObject, Route> {
    return this.#mirror(`${GROUP}/v1/${PLURALS[kind]}`, (object) => reduceRoute(kind, object));
  }

  #mirror<T extends object>(path: string, reduce: (object: KubeObject) => T): Reflector<KubeObject, T> {
    const { client, metrics, clock, random, log } = this.#options;
    const onChange = (): void => void (this.#isDirty = true);
    return new Reflector({ client, path, optional: true, reduce, onChange, metrics, clock, random, log });
  }

  #look(): void {
    const isLeader = this.#options.isLeader();
    if (isLeader && !this.#wasLeader) this.#isDirty = true;
    this.#wasLeader = isLeader;
    // A reference is not wrong because nobody knows yet what there is.
    const isKnown = this.#grants.isSynced && this.#routes.every((mirror) => mirror.isSynced);
    if (!isLeader || !isKnown || !this.#isDirty) return;
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined));
  }

  /** Some at a time: a cluster that has a thousand routes when Hawser is installed is written over some minutes. */
  async #writeAll(): Promise<void> {
    this.#isDirty = false;
    let written = 0;
    for (const route of this.#routes.flatMap((mirror) => [...mirror.values()])) {
      const parents = wantedParents(route, this.#facts, this.#options.clock.nowMs());
      if (parents === undefined) continue;
      if (written === limits.routeStatusesAtOnce) {
        this.#isDirty = true;
        return;
      }
      written += 1;
      await this.#write(route, parents);
    }
  }

  get #facts(): { hasService: RouteStatusWriterOptions["hasService"]; grants: Iterable<Grant> } {
    return { hasService: this.#options.hasService, grants: this.#grants.values() };
  }

  async #write({ kind, namespace, name, resourceVersion }: Route, parents: readonly object[]): Promise<void> {
    const { client, log } = this.#options;
    const path = `${GROUP}/v1/namespaces/${namespace}/${PLURALS[kind]}/${name}/status`;
    try {
      const change = { metadata: { resourceVersion }, status: { parents } };
      await client.patch(path, "application/merge-patch+json", change);
      this.#isFailing = false;
    } catch (error) {
      // Deleted meanwhile: the watch tells.
      if (isKubeStatus(error, 404)) return;
      this.#isDirty = true;
      if (isKubeStatus(error, 409)) return;
      const facts = {
        event: "route-status-not-written",
        route: `${kind} ${namespace}/${name}`,
        error: describeError(error),
      };
      if (!this.#isFailing) log.warn(facts, "Cannot write the status of a route, trying again");
      this.#isFailing = true;
    }
  }
}
