/**
 * Sysctls of the nodes and pods, the same for every variant: thousands of connections per second must not run into the
 * kernel's memory of those that have ended, which would slow the later slices down.
 */
import type { Lab } from "../../lab/lab-client.ts";

const SYSCTLS = {
  // The proxies' own ports are below.
  "net.ipv4.ip_local_port_range": "10240 65535",
  // A port in TIME_WAIT is taken again after a second (RFC 6191), as a client that calls often would have it.
  "net.ipv4.tcp_tw_reuse": "1",
  "net.core.somaxconn": "8192",
  "net.ipv4.tcp_max_syn_backlog": "8192",
  // kube-proxy's rules track every connection; ended ones are kept for two minutes otherwise.
  "net.netfilter.nf_conntrack_tcp_timeout_time_wait": "2",
  "net.netfilter.nf_conntrack_tcp_timeout_close_wait": "2",
} as const;

/** What a kernel does not have or does not allow stays as it is. */
export async function tuneKernel(lab: Lab, target: string): Promise<void> {
  const values = Object.entries(SYSCTLS).map(([key, value]) => `${key}=${value}`);
  await lab.exec(target, ["sysctl", "-q", "-e", "-w", ...values]);
}
