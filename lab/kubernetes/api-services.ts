/**
 * The Services of the API server and what is behind them, watched, and told to every node's kube-proxy and to the names in
 * pods. Several changes in one turn of the event loop, or while rules are being written, are written once.
 */
import type { Clock } from "../../core/clock.ts";
import type { KubeClient } from "../../kubernetes/kube-client.ts";
import { familyOf } from "../cluster/addresses.ts";
import type { LabService } from "../cluster/cluster-file.ts";
import type { ServiceBackends } from "../cluster/kube-proxy-rules.ts";
import { endpointPods } from "../cluster/kubelet.ts";
import type { RunningPod } from "../cluster/pod.ts";
import type { EndpointSliceObject, ServiceObject } from "./kube-objects.ts";
import { startMirror } from "./mirror.ts";
import type { Mirror } from "./mirror.ts";
import { serviceView } from "./service-view.ts";
import type { ServiceView } from "./service-view.ts";

export interface ApiServicesSettings {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** Resolves when these are in force on every node. */
  readonly proxy: (backends: readonly ServiceBackends[]) => Promise<void>;
  readonly refreshNames: () => void;
  /** A Service or a slice is different. */
  readonly onChange: () => void;
}

export class ApiServices {
  readonly #settings: ApiServicesSettings;
  #services: Mirror<ServiceObject> | undefined;
  #slices: Mirror<EndpointSliceObject> | undefined;
  #view: ServiceView = { services: [], backends: [], named: [] };
  #syncing = false;
  #again = false;

  constructor(settings: ApiServicesSettings) {
    this.#settings = settings;
  }

  /** Resolves after the first lists. */
  async start(): Promise<void> {
    const { client, clock } = this.#settings;
    const onChange = (): void => this.#changed();
    this.#services = await startMirror({ client, clock, path: "/api/v1/services", onChange });
    this.#slices = await startMirror({ client, clock, path: "/apis/discovery.k8s.io/v1/endpointslices", onChange });
    this.#changed();
  }

  get services(): readonly ServiceObject[] {
    return [...(this.#services?.values() ?? [])];
  }

  get slices(): readonly EndpointSliceObject[] {
    return [...(this.#slices?.values() ?? [])];
  }

  get view(): ServiceView {
    return this.#view;
  }

  /** Every ready pod is behind its Services, and every node's kube-proxy knows it. */
  areCurrent(pods: readonly RunningPod[]): boolean {
    const { backends, services } = this.#view;
    const has = (service: LabService, ip: string): boolean =>
      backends.some((one) => one.service === service && one.endpoints.some((endpoint) => endpoint.ip === ip));
    const all = services.every((service) => {
      const families = new Set(service.clusterIps.map(familyOf));
      const ips = endpointPods(service, pods).flatMap((pod) => pod.parts.ips);
      return ips.filter((ip) => families.has(familyOf(ip))).every((ip) => has(service, ip));
    });
    return all && !this.#syncing;
  }

  #changed(): void {
    this.#settings.onChange();
    this.#again = true;
    if (this.#syncing) return;
    this.#syncing = true;
    setImmediate(() => void this.#sync());
  }

  async #sync(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      this.#view = serviceView(this.services, this.slices);
      this.#settings.refreshNames();
      await this.#settings.proxy(this.#view.backends).catch((error: unknown) => console.error("kube-proxy:", error));
    }
    this.#syncing = false;
  }
}
