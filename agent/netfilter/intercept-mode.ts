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

export type InterceptMode = "tproxy" | "redirect";
export type InterceptSetting = InterceptMode | "auto";

export const INTERCEPT_SETTINGS: readonly InterceptSetting[] = ["auto", "tproxy", "redirect"];

export interface InterceptChoice {
  readonly mode: InterceptMode;
  /** One sentence for the operator. */
  readonly reason: string;
}

/** Content of a file under /proc/sys/net. Rejects when there is none. */
export type ReadSysctl = (name: string) => Promise<string>;

const SYSCTLS = ["bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"];

const readProc: ReadSysctl = (name) => readFile(`/proc/sys/net/${name}`, "utf8");

/** Whether there is a bridge at all does not count: network plugins make theirs for the first pod, after the agent has started. */
export async function chooseInterceptMode(
  setting: InterceptSetting,
  readSysctl: ReadSysctl = readProc,
): Promise<InterceptChoice> {
  if (setting !== "auto") return { mode: setting, reason: "it was asked for" };
  const values = await Promise.all(SYSCTLS.map((name) => readSysctl(name).catch(() => "0")));
  const on = SYSCTLS.filter((_, index) => values[index]?.trim() === "1").map((name) => name.replace("bridge/", ""));
  if (on.length === 0) return { mode: "tproxy", reason: "iptables does not see bridged packets" };
  return { mode: "redirect", reason: `net.bridge.${on.join(" and ")} is 1` };
}
