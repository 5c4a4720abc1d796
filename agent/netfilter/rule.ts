/**
 * Rules as values: what `desired-rules` composes, `render-iptables` writes and `describe-rules` explains. Match and
 * target are words of iptables-restore, written as iptables-save prints them.
 */
import { HBONE_PORT } from "../../protocol/ports.ts";
import type { AddressFamily } from "../../routing/address.ts";
import { hex } from "./marks.ts";
import { type SetRole, setName } from "./names.ts";

export type TableName = "nat" | "filter" | "mangle";

/** The order of writing; see netfilter.ts. */
export const TABLE_NAMES: readonly TableName[] = ["nat", "filter", "mangle"];

export interface Rule {
  /** Empty: every packet. */
  readonly match: string;
  readonly target: string;
  /** Why, for whoever lists the host's rules. Written into the kernel with the rule. */
  readonly comment: string;
}

export interface Chain {
  readonly name: string;
  readonly rules: readonly Rule[];
}

/** The one rule by which a built-in chain leads to ours. */
export interface Jump {
  readonly from: "PREROUTING" | "INPUT" | "FORWARD" | "OUTPUT" | "POSTROUTING";
  readonly rule: Rule;
}

export interface TableRules {
  readonly table: TableName;
  readonly jumps: readonly Jump[];
  readonly chains: readonly Chain[];
}

export function rule(match: string | readonly string[], target: string, comment: string): Rule {
  return { match: typeof match === "string" ? match : match.join(" "), target, comment };
}

/** Matches on a set: addresses by `src`/`dst`, address and port by `src,src`/`dst,dst`. */
export function inSet(role: SetRole, family: AddressFamily, flags: string): string {
  return `-m set --match-set ${setName(role, family)} ${flags}`;
}

export function notInSet(role: SetRole, family: AddressFamily, flags: string): string {
  return `-m set ! --match-set ${setName(role, family)} ${flags}`;
}

/** A tunnel to a mesh pod of this node. */
export function hboneToLocal(family: AddressFamily): string {
  return `-p tcp -m tcp --dport ${HBONE_PORT} ${inSet("local", family, "dst")}`;
}

export function packetMark(bits: number): string {
  return `-m mark --mark ${hex(bits)}/${hex(bits)}`;
}

export function connectionMark(bits: number): string {
  return `-m connmark --mark ${hex(bits)}/${hex(bits)}`;
}

export const FIRST_PACKET = "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN";
export const LATER_PACKET = "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN";
