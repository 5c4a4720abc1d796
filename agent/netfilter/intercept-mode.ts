/**
 * How the rules hand a connection to the agent, and which way a host needs.
 *
 *   tproxy     mangle PREROUTING chooses the agent's socket; the packet stays as it is
 *   redirect   nat PREROUTING gives the packet the agent's address; the agent asks conntrack for the dialled one
 *
 * With br_netfilter, packets from pods on a Linux bridge meet PREROUTING inside the bridge, and the kernel drops the socket
 * that TPROXY chose when it hands them to IP (ip_rcv_core, skb_orphan). A rewritten address stays.
 */
import { readFile } from "node:fs/promises";
import type { Clock } from "../../core/clock.ts";
import type { RunCommand } from "../../core/run-command.ts";
import { addressFamily } from "../../routing/address.ts";
import { Commands } from "./commands.ts";
import { FULL_CHECK_PERIOD_MS } from "./limits.ts";

export type InterceptMode = "tproxy" | "redirect";
export type InterceptSetting = InterceptMode | "auto";

export const INTERCEPT_SETTINGS: readonly InterceptSetting[] = ["auto", "tproxy", "redirect"];

export interface InterceptChoice {
  readonly mode: InterceptMode;
  /** One sentence for the operator. */
  readonly reason: string;
}

export interface InterceptChooserOptions {
  readonly setting: InterceptSetting;
  readonly run: RunCommand;
  readonly clock: Clock;
  /** Content of a file under /proc/sys/net; rejects when there is none. For tests. */
  readonly readSysctl?: (name: string) => Promise<string>;
}

const SYSCTLS = ["bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"];

export class InterceptChooser {
  readonly #options: InterceptChooserOptions;
  readonly #commands: Commands;
  /** Pods that no bridge led to when it was looked at last. */
  #routed: ReadonlySet<string> = new Set();
  #forgetRoutedAtMs = 0;
  #choice: InterceptChoice;

  constructor(options: InterceptChooserOptions) {
    this.#options = options;
    this.#commands = new Commands(options.run);
    const { setting } = options;
    this.#choice =
      setting === "auto"
        ? { mode: "tproxy", reason: "no pod is on a bridge whose packets iptables sees" }
        : { mode: setting, reason: "it was asked for" };
  }

  get choice(): InterceptChoice {
    return this.#choice;
  }

  /**
   * `pods`: addresses of this node's pods. Asked again and again, because network plugins make their bridge for the first pod and
   * br_netfilter may be loaded at any time. Never goes back to TPROXY: where redirecting is needed once it may be
   * needed again, and while tables change one after the other connections would be refused. A host that cannot be
   * asked is taken to need nothing.
   */
  async choose(pods: Iterable<string>): Promise<InterceptChoice> {
    if (this.#options.setting !== "auto" || this.#choice.mode === "redirect") return this.#choice;
    const sysctl = await this.#sysctlThatIsOn();
    if (sysctl === undefined) {
      this.#forgetRoutedAtMs = 0;
      return this.#choice;
    }
    const bridge = await this.#bridgeToOneOf(pods);
    if (bridge !== undefined) {
      const reason = `pods are on the bridge ${bridge} and net.${sysctl.replace("/", ".")} is 1`;
      this.#choice = { mode: "redirect", reason };
    }
    return this.#choice;
  }

  async #sysctlThatIsOn(): Promise<string | undefined> {
    const read = this.#options.readSysctl ?? ((name) => readFile(`/proc/sys/net/${name}`, "utf8"));
    const values = await Promise.all(SYSCTLS.map((name) => read(name).catch(() => "0")));
    return SYSCTLS.find((_, index) => values[index]?.trim() === "1");
  }

  /**
   * All pods of a node are connected alike: one new address of either family stands for all of them. Now and then all are
   * new again: a table from disk may have named pods before their network was there.
   */
  async #bridgeToOneOf(pods: Iterable<string>): Promise<string | undefined> {
    const nowMs = this.#options.clock.monotonicMs();
    const isForgotten = nowMs >= this.#forgetRoutedAtMs;
    if (isForgotten) this.#forgetRoutedAtMs = nowMs + FULL_CHECK_PERIOD_MS;
    const all = [...pods];
    const unknown = isForgotten ? all : all.filter((address) => !this.#routed.has(address));
    this.#routed = new Set(all);
    const samples = new Map(unknown.map((address) => [addressFamily(address), address]));
    for (const address of samples.values()) {
      const bridge = await this.#bridgeTo(address);
      if (bridge !== undefined) return bridge;
    }
    return undefined;
  }

  async #bridgeTo(address: string): Promise<string | undefined> {
    try {
      const device = await this.#ask("dev", ["route", "get", address]);
      if (typeof device !== "string") return undefined;
      const info = await this.#ask("linkinfo", ["-details", "link", "show", "dev", device]);
      return (info as { info_kind?: unknown } | undefined)?.info_kind === "bridge" ? device : undefined;
    } catch {
      // No route yet, or no such device any more.
      return undefined;
    }
  }

  /** One field of the first thing that `ip` tells. */
  async #ask(field: string, argv: readonly string[]): Promise<unknown> {
    const [first] = JSON.parse(await this.#commands.output(["ip", "-json", ...argv])) as Record<string, unknown>[];
    return first?.[field];
  }
}
