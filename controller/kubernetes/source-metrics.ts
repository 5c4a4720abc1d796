/** Metrics of what the controller does with the API server, in the registry of the controller's own. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { KubeMetrics, WatchEnd } from "../../kubernetes/kube-metrics.ts";
import type { KubeLimitName } from "../../kubernetes/limits.ts";
import type { SourceLimitName } from "./limits.ts";

export class SourceMetrics implements KubeMetrics {
  readonly #requests: Histogram;
  readonly #limitHits: Counter;
  readonly #lists: Counter;
  readonly #objects: Gauge;
  readonly #watchesEnded: Counter;
  readonly #staleEvents: Counter;
  readonly #problems: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Histogram({
      name: "hawser_kubernetes_request_seconds",
      help: "Requests to the API server by verb and status (0: no answer), waiting for their turn included",
      labelNames: ["verb", "status"],
      buckets: [0.01, 0.05, 0.25, 1, 5, 30],
      registers,
    });
    this.#limitHits = new Counter({
      name: "hawser_kubernetes_limit_hits_total",
      help: "How often a bound of kubernetes/limits.ts or controller/kubernetes/limits.ts was hit",
      labelNames: ["limit"],
      registers,
    });
    this.#lists = new Counter({
      name: "hawser_kubernetes_lists_total",
      help: "Complete lists of a resource that were read",
      labelNames: ["resource"],
      registers,
    });
    this.#objects = new Gauge({
      name: "hawser_kubernetes_listed_objects",
      help: "Objects kept of the last complete list of a resource",
      labelNames: ["resource"],
      registers,
    });
    this.#watchesEnded = new Counter({
      name: "hawser_kubernetes_watches_ended_total",
      help: "Watches that came to an end, by resource and how",
      labelNames: ["resource", "end"],
      registers,
    });
    this.#staleEvents = new Counter({
      name: "hawser_kubernetes_stale_events_total",
      help: "Events of watches that were known already",
      labelNames: ["resource"],
      registers,
    });
    this.#problems = new Gauge({
      name: "hawser_kubernetes_problems",
      help: "Problems of objects and settings for which something is left out or an older state is in force",
      registers,
    });
  }

  request(verb: string, status: number, seconds: number): void {
    this.#requests.observe({ verb, status }, seconds);
  }

  limitHit(limit: KubeLimitName | SourceLimitName): void {
    this.#limitHits.inc({ limit });
  }

  listed(resource: string, objects: number): void {
    this.#lists.inc({ resource });
    this.#objects.set({ resource }, objects);
  }

  watchEnded(resource: string, end: WatchEnd): void {
    this.#watchesEnded.inc({ resource, end });
  }

  staleEvent(resource: string): void {
    this.#staleEvents.inc({ resource });
  }

  setProblems(count: number): void {
    this.#problems.set(count);
  }
}
