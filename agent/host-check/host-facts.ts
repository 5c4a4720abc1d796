/**
 * What `agent --check` knows of a host, read once: plain values, so that every rule of judge-host.ts can be tested with the
 * facts of a host that somebody met.
 */
import type { BackendChoice } from "../netfilter/back-end.ts";

export interface HostFacts {
  /** `uname -r`. */
  readonly kernel: string;
  /** CapEff of this process (proc_pid_status(5)). */
  readonly capabilities: bigint;
  /** The iptables that the host's rules are in, or why none can be used. */
  readonly backend: BackendChoice | { readonly problem: string };
  /** What the kernel lacks of the matches and targets that the rules use; undefined when it could not be asked. */
  readonly missingExtensions: readonly string[] | undefined;
  readonly missingSetTypes: readonly string[];
  /** By address family, 4 and 6: why a transparent socket cannot be had; undefined when it can. */
  readonly transparentSockets: Readonly<Record<4 | 6, string | undefined>>;
  /** Chains of iptables (both back ends) and tables of nftables that are not ours. */
  readonly foreignChains: readonly string[];
  readonly foreignRules: readonly string[];
  readonly nftTables: readonly string[];
  /** `ip rule`, both families, without ours. */
  readonly policyRules: readonly string[];
  /** Sentences about kube-proxy's mode. */
  readonly kubeProxyHazards: readonly string[];
  /** By path below /proc/sys; missing: there is no such setting. */
  readonly sysctls: Readonly<Record<string, string | undefined>>;
  readonly links: readonly Link[];
  /** Device of the default route. */
  readonly uplink: string | undefined;
  readonly state: StateDirectory;
  /** Whether the kernel's clock is disciplined (adjtimex(2)); undefined when it cannot be asked. */
  readonly clockSynchronised: boolean | undefined;
}

export interface Link {
  readonly name: string;
  readonly mtu: number;
  /** E.g. `veth`, `bridge`, `vxlan`. */
  readonly kind: string;
  readonly addresses: readonly string[];
}

export interface StateDirectory {
  readonly path: string;
  /** Why nothing can be written there. */
  readonly problem?: string;
  readonly freeBytes: number;
}
