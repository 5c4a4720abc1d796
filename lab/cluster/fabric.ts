/**
 * The fabric: the lab's own network namespace, with the bridge that joins the nodes' uplinks. The controller runs
 * here, at the first host address of the nodes' subnets.
 *
 * Only addresses leave this file: what a node or pod needs to know is where the fabric is.
 */
import { existsSync, writeFileSync } from "node:fs";
import ipaddr from "ipaddr.js";
import { HawserError } from "../../core/errors.ts";
import { runCommand } from "../../core/run-command.ts";
import { familyOf, hostAt } from "./addresses.ts";
import type { LabNode } from "./cluster-file.ts";
import { BRIDGE_ADDRESS, BRIDGE_OPTIONS, noDad, podRoutes, UPLINK } from "./node.ts";
import type { ClusterNode } from "./node.ts";

const BRIDGE = "underlay";
/** Subnet length of the underlay per family; node addresses in the cluster file must share one subnet of this size. */
const PREFIX = { 4: 24, 6: 64 } as const;

/** The fabric's addresses: where nodes find the controller, and their default gateway. */
export function fabricAddresses(nodes: readonly LabNode[]): readonly string[] {
  const subnets = new Set(nodes.flatMap((node) => node.addresses.map(subnetOf)));
  const families = [...subnets].map(familyOf);
  if (new Set(families).size !== families.length || families.length === 0) {
    throw new HawserError(
      "bad-cluster-file",
      `Node addresses must lie in one /24 and one /64, found ${[...subnets].join(", ")}`,
    );
  }
  return [...subnets].map((subnet) => hostAt(subnet, 1));
}

/** `10.90.0.11` -> `10.90.0.11/24`. */
export function withUnderlayPrefix(address: string): string {
  return `${address}/${PREFIX[familyOf(address)]}`;
}

function subnetOf(address: string): string {
  const withPrefix = withUnderlayPrefix(address);
  const kind = familyOf(address) === 4 ? ipaddr.IPv4 : ipaddr.IPv6;
  return `${kind.networkAddressFromCIDR(withPrefix).toString()}/${PREFIX[familyOf(address)]}`;
}

/** Makes the bridge, gives every node its uplink and configures the nodes. */
export async function connectNodes(nodes: readonly ClusterNode[]): Promise<void> {
  const entries = nodes.map((node) => node.entry);
  const addresses = fabricAddresses(entries);
  turnOffBridgeNetfilter();
  await ip([
    "link set lo up",
    `link add ${BRIDGE} address ${BRIDGE_ADDRESS} type bridge ${BRIDGE_OPTIONS}`,
    ...addresses.map((address) => `addr add ${withUnderlayPrefix(address)} dev ${BRIDGE}${noDad(address)}`),
    `link set ${BRIDGE} up`,
    ...nodes.flatMap((node, index) => [
      `link add up${index} type veth peer name ${UPLINK} netns ${node.sandbox.pid}`,
      `link set up${index} master ${BRIDGE} up`,
    ]),
  ]);
  await Promise.all(
    nodes.map((node) => {
      const others = entries.filter((entry) => entry !== node.entry);
      return node.configure(others, addresses, withUnderlayPrefix);
    }),
  );
  await ip(entries.flatMap((entry) => podRoutes(entry, BRIDGE)));
}

/** The fabric is cables and a switch: whatever the host's kernel does by default, no iptables hook sees its frames. */
function turnOffBridgeNetfilter(): void {
  for (const name of ["iptables", "ip6tables", "arptables"]) {
    const file = `/proc/sys/net/bridge/bridge-nf-call-${name}`;
    if (existsSync(file)) writeFileSync(file, "0");
  }
}

async function ip(lines: readonly string[]): Promise<void> {
  const result = await runCommand(["ip", "-batch", "-"], { input: `${lines.join("\n")}\n` });
  if (result.exitCode !== 0)
    throw new HawserError("fabric-failed", `Cannot set up the fabric: ${result.stderr.trim()}`);
}
