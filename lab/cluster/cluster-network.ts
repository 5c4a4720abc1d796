/**
 * What every cluster of a lab stands on, wherever its Pods and Services come from: nodes joined by the fabric, a
 * kube-proxy imitation in each, and a capture of what crosses their uplinks.
 */
import type { Clock } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import type { LabNodeStatus, LabSettings, WireCapture } from "../lab-status.ts";
import { UnderlayCapture } from "../wire/underlay-capture.ts";
import { coveringCidr, familyOf } from "./addresses.ts";
import type { LabNode } from "./cluster-file.ts";
import { connectNodes } from "./fabric.ts";
import { KubeProxy } from "./kube-proxy.ts";
import type { ServiceBackends } from "./kube-proxy-rules.ts";
import { ClusterNode, UPLINK } from "./node.ts";

export interface ClusterNetworkSettings {
  readonly lab: LabSettings;
  readonly projectRoot: string;
  readonly clock: Clock;
  /** Ports beside the mesh's own on which pods speak TLS by themselves: the wire's judge must know them. */
  readonly otherTlsPorts?: readonly number[];
}

export class ClusterNetwork {
  readonly #settings: ClusterNetworkSettings;
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #kubeProxies: KubeProxy[] = [];
  #capture: WireCapture | undefined;

  constructor(settings: ClusterNetworkSettings) {
    this.#settings = settings;
  }

  async start(entries: readonly LabNode[]): Promise<void> {
    const { lab, projectRoot } = this.#settings;
    const base = { stateDir: lab.stateDir, projectRoot };
    const nodes = await Promise.all(entries.map((entry) => ClusterNode.start(entry, base, lab)));
    for (const node of nodes) {
      this.#nodes.set(node.name, node);
      this.#kubeProxies.push(new KubeProxy(node.sandbox, lab.backend));
    }
    await Promise.all([connectNodes(nodes), ...this.#kubeProxies.map((proxy) => proxy.setUp())]);
    if (lab.capture) await this.startCapture();
  }

  get nodes(): ReadonlyMap<string, ClusterNode> {
    return this.#nodes;
  }

  get nodeStatuses(): readonly LabNodeStatus[] {
    return [...this.#nodes.values()].map(({ entry, sandbox }) => ({ ...entry, pausePid: sandbox.pid, uplink: UPLINK }));
  }

  get podCidrs(): readonly string[] {
    return [...this.#nodes.values()].flatMap((node) => node.entry.podCidrs);
  }

  node(name: string): ClusterNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new HawserError("no-node", `There is no node ${name}`);
    return node;
  }

  /** Resolves when these Services, or later ones, are in force on every node. */
  async proxy(backends: readonly ServiceBackends[]): Promise<void> {
    const covering = (family: 4 | 6): string | undefined =>
      coveringCidr(this.podCidrs.filter((cidr) => familyOf(cidr) === family));
    const view = { backends, clusterCidrs: { 4: covering(4), 6: covering(6) } };
    await Promise.all(this.#kubeProxies.map((proxy) => proxy.sync(view)));
  }

  async startCapture(): Promise<void> {
    if (this.#capture !== undefined) throw new HawserError("capturing", "A capture is running already");
    const nodes = [...this.#nodes.values()];
    const { clock, otherTlsPorts = [] } = this.#settings;
    const capture = new UnderlayCapture({ podCidrs: this.podCidrs, otherTlsPorts, clock });
    await capture.start(nodes.map((node) => ({ node: node.name, pausePid: node.sandbox.pid, uplink: UPLINK })));
    this.#capture = capture;
  }

  get capture(): WireCapture {
    if (this.#capture !== undefined) return this.#capture;
    throw new HawserError("not-capturing", "No capture is running");
  }

  async stopCapture(): Promise<ReturnType<WireCapture["summary"]>> {
    const summary = await this.capture.stop();
    this.#capture = undefined;
    return summary;
  }
}
