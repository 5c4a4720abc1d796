/**
 * The HTTPRoutes and GRPCRoutes of a cluster, where the Gateway API is installed, now or later: their documents for the
 * source, and Hawser's part in their status.
 *
 *   routes, backends change --> look (at most every second) --leader? different?--> patch of the status
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
import type { ServiceDocument, SubsetDocument } from "../../protocol/documents/document.ts";
import type { RouteStatus } from "../../protocol/route-status.ts";
import type { RouteKind } from "../../protocol/route-table.ts";
import { compileRoutes, routeInput } from "../../routing/http/compile-routes.ts";
import { limits } from "./limits.ts";
import { reduceRoute, type Route } from "./route-objects.ts";
import { wantedParents } from "./route-status.ts";
import type { SourceMetrics } from "./source-metrics.ts";

/** What routes may refer to. */
export type BackendDocument = ServiceDocument | SubsetDocument;

export interface RouteStatusWriterOptions {
  readonly client: KubeClient;
  readonly isLeader: () => boolean;
  /** Undefined: not all are known yet, and a reference is not wrong because of that. */
  readonly backends: () => readonly BackendDocument[] | undefined;
  /** What `routes` gives has changed. */
  readonly onChange: () => void;
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
  #timer: Timer | undefined;
  /** Something may be different from what the statuses say. */
  #isDirty = true;
  #wasLeader = false;
  #isFailing = false;
  #writing: Promise<void> | undefined;

  constructor(options: RouteStatusWriterOptions) {
    this.#options = options;
    this.#routes = [this.#mirrorRoutes("HTTPRoute"), this.#mirrorRoutes("GRPCRoute")];
  }

  /** Resolves when the routes were read for the first time, or are not installed. */
  get synced(): Promise<unknown> {
    return Promise.all(this.#routes.map((mirror) => mirror.synced));
  }

  /** Those of Services have a document, or a problem. */
  routes(): readonly Route[] {
    return this.#routes.flatMap((mirror) => [...mirror.values()]);
  }

  start(): void {
    for (const mirror of this.#routes) mirror.start();
    this.#timer = this.#options.clock.every(LOOK_MS, () => this.#look());
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await Promise.all(this.#routes.map((mirror) => mirror.close()));
    await this.#writing;
  }

  /** A Service or a Subset came or went. */
  backendsChanged(): void {
    this.#isDirty = true;
  }

  #mirrorRoutes(kind: RouteKind): Reflector<KubeObject, Route> {
    const { client, metrics, clock, random, log } = this.#options;
    const path = `${GROUP}/v1/${PLURALS[kind]}`;
    const reduce = (object: KubeObject, before: Route | undefined): Route => reduceRoute(kind, object, before);
    const onChange = (): void => {
      this.#isDirty = true;
      this.#options.onChange();
    };
    return new Reflector({ client, path, optional: true, reduce, onChange, metrics, clock, random, log });
  }

  #look(): void {
    const isLeader = this.#options.isLeader();
    if (isLeader && !this.#wasLeader) this.#isDirty = true;
    this.#wasLeader = isLeader;
    const backends = this.#options.backends();
    const isKnown = backends !== undefined && this.#routes.every((mirror) => mirror.isSynced);
    if (!isLeader || !isKnown || !this.#isDirty) return;
    this.#writing ??= this.#writeAll(backends).finally(() => (this.#writing = undefined));
  }

  /** Some at a time: a cluster that has a thousand routes when Hawser is installed is written over some minutes. */
  async #writeAll(backends: readonly BackendDocument[]): Promise<void> {
    this.#isDirty = false;
    let written = 0;
    const routes = this.routes();
    const statuses = statusesOf(routes, backends);
    for (const route of routes) {
      const parents = wantedParents(route, statuses.get(nameOf(route)), this.#options.clock.nowMs());
      if (parents === undefined) continue;
      if (written === limits.routeStatusesAtOnce) {
        this.#isDirty = true;
        return;
      }
      written += 1;
      await this.#write(route, parents);
    }
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

/** By the same compiler that makes the table, which tells the problems. */
function statusesOf(routes: readonly Route[], backends: readonly BackendDocument[]): ReadonlyMap<string, RouteStatus> {
  const documents = routes.map(({ document }) => document).filter((document) => document !== undefined);
  const { statuses } = compileRoutes(routeInput([...documents, ...backends]));
  return new Map(statuses.map((status) => [nameOf(status), status]));
}

function nameOf({ kind, namespace, name }: Pick<RouteStatus, "kind" | "namespace" | "name">): string {
  return `${kind} ${namespace}/${name}`;
}
