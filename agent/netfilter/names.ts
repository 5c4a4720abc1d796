/**
 * Names of everything that is made in the kernel, so that removal needs no memory: a chain that begins with
 * `HAWSER-` and a set that begins with `hawser-` is ours, of whatever version.
 */
import type { AddressFamily } from "../../routing/address.ts";

export const CHAIN_PREFIX = "HAWSER-";
export const SET_PREFIX = "hawser-";
/** A chain without rules: "this table did not exist before us" (nft back end; the table goes when we go). */
export const CREATED_CHAIN = "HAWSER-CREATED";

export const Chains = {
  prerouting: "HAWSER-PREROUTING",
  agent: "HAWSER-AGENT",
  deliver: "HAWSER-DELIVER",
  inbound: "HAWSER-INBOUND",
  outbound: "HAWSER-OUTBOUND",
  split: "HAWSER-SPLIT",
  output: "HAWSER-OUTPUT",
  forward: "HAWSER-FORWARD",
  guard: "HAWSER-GUARD",
  postrouting: "HAWSER-POSTROUTING",
  services: "HAWSER-SERVICES",
  input: "HAWSER-INPUT",
} as const;

export type SetRole =
  | "local"
  | "remote"
  | "vip"
  | "split"
  | "outside"
  | "localnet"
  | "remotenet"
  | "skipnet"
  | "skipend";

/** What each set holds, for whoever reads the rules. */
export const SET_MEANINGS: Readonly<Record<SetRole, string>> = {
  local: "mesh pods of this node",
  remote: "mesh pods of other nodes, dialled through the agent",
  vip: "ClusterIP and port of Services whose connections all go to the agent",
  split: "ClusterIP and port of Services with a share on this node",
  outside: "pods outside the mesh, and the nodes' own addresses among the pods'",
  localnet: "where pods of this node have their addresses",
  remotenet: "where pods of other nodes have their addresses",
  skipnet: "excluded destinations",
  skipend: "endpoints of excluded Service ports",
};

/** `hawser-local4`. ipset allows 31 characters. */
export function setName(role: SetRole, family: AddressFamily): string {
  return `${SET_PREFIX}${role}${family}`;
}

/** Ports have no address family: one set for both. */
export const SKIP_PORT_SET = `${SET_PREFIX}skipport`;
