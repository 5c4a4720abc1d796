/**
 * The kube-proxy imitation of one node: keeps both families' rules equal to the last Services it was given.
 *
 * At most one iptables-restore runs at a time; what changes meanwhile is written in one go afterwards.
 */
import type { NetfilterBackend } from "../lab-status.ts";
import { KUBE_PROXY_SETUP, kubeProxyRules } from "./kube-proxy-rules.ts";
import type { ServiceBackends } from "./kube-proxy-rules.ts";
import type { Sandbox } from "./sandbox.ts";

const FAMILIES = [4, 6] as const;

export interface ServiceView {
  readonly backends: readonly ServiceBackends[];
  readonly clusterCidrs: Readonly<Record<4 | 6, string | undefined>>;
}

export class KubeProxy {
  readonly #sandbox: Sandbox;
  readonly #backend: NetfilterBackend;
  readonly #chains: Record<4 | 6, ReadonlySet<string>> = { 4: new Set(), 6: new Set() };
  readonly #text: Record<4 | 6, string> = { 4: "", 6: "" };
  #wanted: ServiceView | undefined;
  #running: Promise<void> | undefined;

  constructor(sandbox: Sandbox, backend: NetfilterBackend) {
    this.#sandbox = sandbox;
    this.#backend = backend;
  }

  async setUp(): Promise<void> {
    await Promise.all(FAMILIES.map((family) => this.#restore(family, KUBE_PROXY_SETUP)));
  }

  /** Resolves when these Services, or later ones, are in force. */
  async sync(view: ServiceView): Promise<void> {
    this.#wanted = view;
    this.#running ??= this.#run();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#wanted !== undefined) {
        const view = this.#wanted;
        this.#wanted = undefined;
        await Promise.all(FAMILIES.map((family) => this.#write(family, view)));
      }
    } finally {
      this.#running = undefined;
    }
  }

  async #write(family: 4 | 6, view: ServiceView): Promise<void> {
    const rules = kubeProxyRules(view.backends, family, view.clusterCidrs[family], this.#chains[family]);
    if (rules.text === this.#text[family]) return;
    await this.#restore(family, rules.text);
    this.#chains[family] = rules.chains;
    this.#text[family] = rules.text;
  }

  async #restore(family: 4 | 6, input: string): Promise<void> {
    const program = `${family === 4 ? "iptables" : "ip6tables"}-${this.#backend}-restore`;
    await this.#sandbox.run([program, "-w", "5", "--noflush"], { input });
  }
}
