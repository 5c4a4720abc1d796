/**
 * What tells, without starting a program, whether the rules in the kernel may have changed: a few system calls, well
 * under a millisecond, nothing forked.
 *
 *   tables    nft: the id of the rule set's generation, which every transaction of anybody changes
 *             legacy: place of every hook, number of rules and bytes of each table
 *   sets      our sets, and how many entries each has
 *   routing   our policy rules and our route, byte for byte
 */
import koffi from "koffi";
import type { AddressFamily } from "../../routing/address.ts";
import { closeSocket, getOption, openSocket, SocketError } from "../sockets/libc.ts";
import type { BackendName } from "./back-end.ts";
import { BYPASS_PREFERENCE, DELIVER_PREFERENCE, DELIVER_TABLE, LANDING_PREFERENCE } from "./marks.ts";
import { SET_PREFIX } from "./names.ts";
import { afterHeader, parseAttributes, renderAttribute, requireAttribute } from "./netlink-messages.ts";
import type { NetlinkMessage } from "./netlink-messages.ts";
import { askKernel } from "./netlink-socket.ts";
import { TABLE_NAMES } from "./rule.ts";

export interface KernelState {
  readonly tables: string;
  readonly sets: ReadonlyMap<string, number>;
  readonly routing: string;
}

export type ReadKernelState = (backend: BackendName, families: readonly AddressFamily[]) => KernelState;

const AF: Readonly<Record<AddressFamily, number>> = { 4: 2, 6: 10 };

// include/uapi/linux/netfilter/nfnetlink.h: struct nfgenmsg; a type is subsystem << 8 | command.
const NFGENMSG_BYTES = 4;
const NFT_MSG_GETGEN = (10 << 8) | 16;
const NFTA_GEN_ID = 1;

// include/uapi/linux/netfilter/ipset/ip_set.h. Protocol 6 is what every kernel since 2.6.39 speaks.
const IPSET_CMD_LIST = (6 << 8) | 7;
const IPSET_PROTOCOL = 6;
const IPSET_ATTR_PROTOCOL = 1;
const IPSET_ATTR_SETNAME = 2;
const IPSET_ATTR_FLAGS = 6;
const IPSET_ATTR_DATA = 7;
const IPSET_ATTR_ELEMENTS = 24;
const IPSET_FLAG_LIST_HEADER = 1 << 2;
const NLA_F_NET_BYTEORDER = 0x4000;

// include/uapi/linux/rtnetlink.h, fib_rules.h: struct rtmsg and struct fib_rule_hdr are of one size.
const RTM_HEADER_BYTES = 12;
const RTM_GETROUTE = 26;
const RTM_GETRULE = 34;
const RTA_TABLE = 15;
const FRA_PRIORITY = 6;
const OWN_PREFERENCES: readonly number[] = [BYPASS_PREFERENCE, DELIVER_PREFERENCE, LANDING_PREFERENCE];

// include/uapi/linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h: name[32], then 13 integers.
const IPT_SO_GET_INFO = 64;
const GETINFO_BYTES = 84;
const LEVEL: Readonly<Record<AddressFamily, number>> = { 4: 0, 6: 41 };

/**
 * Blocks for as long as the kernel's own locks are taken. Throws SocketError (no permission, no such kernel module) and
 * NetfilterError `kernel-unreadable`.
 */
export const readKernelState: ReadKernelState = (backend, families) => ({
  tables: backend === "nft" ? nftGeneration() : families.map(legacySizes).join(" "),
  sets: setSizes(),
  routing: families.map((family) => `${policyRules(family)} ${routes(family)}`).join(" "),
});

function nftGeneration(): string {
  const payload = Buffer.alloc(NFGENMSG_BYTES);
  const question = { action: "ask for the nft generation", type: NFT_MSG_GETGEN, dump: false, payload };
  const [message] = askKernel("netfilter", question);
  const attributes = message === undefined ? new Map() : parseAttributes(afterHeader(message, NFGENMSG_BYTES));
  return `${requireAttribute(attributes, NFTA_GEN_ID, 4).readUInt32BE(0)}`;
}

/** Asking makes the tables if they do not exist, which legacy never undoes: only for a back end that is in use. */
function legacySizes(family: AddressFamily): string {
  const fd = openSocket(family === 6);
  try {
    return TABLE_NAMES.map((table) => legacySize(fd, family, table)).join(" ");
  } finally {
    closeSocket(fd);
  }
}

function legacySize(fd: number, family: AddressFamily, table: string): string {
  const info = Buffer.alloc(GETINFO_BYTES);
  info.write(table, "latin1");
  if (!getOption(fd, LEVEL[family], IPT_SO_GET_INFO, info)) {
    throw new SocketError(`ask for the size of table ${table} (IPv${family})`, koffi.errno());
  }
  return info.toString("base64");
}

function setSizes(): ReadonlyMap<string, number> {
  const flags = Buffer.alloc(4);
  flags.writeUInt32BE(IPSET_FLAG_LIST_HEADER);
  const payload = Buffer.concat([
    Buffer.alloc(NFGENMSG_BYTES),
    renderAttribute(IPSET_ATTR_PROTOCOL, Buffer.from([IPSET_PROTOCOL])),
    renderAttribute(IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER, flags),
  ]);
  const messages = askKernel("netfilter", { action: "list ipsets", type: IPSET_CMD_LIST, dump: true, payload });
  return new Map(messages.flatMap(parseSet));
}

/** Name and number of entries; nothing for a set that is not ours. */
export function parseSet(message: NetlinkMessage): readonly (readonly [string, number])[] {
  const attributes = parseAttributes(afterHeader(message, NFGENMSG_BYTES));
  const name = requireAttribute(attributes, IPSET_ATTR_SETNAME, 1).toString("latin1").replace(/\0.*$/s, "");
  if (!name.startsWith(SET_PREFIX)) return [];
  const data = parseAttributes(requireAttribute(attributes, IPSET_ATTR_DATA, 0));
  return [[name, requireAttribute(data, IPSET_ATTR_ELEMENTS, 4).readUInt32BE(0)]];
}

function policyRules(family: AddressFamily): string {
  const payload = Buffer.alloc(RTM_HEADER_BYTES);
  payload.writeUInt8(AF[family], 0);
  const question = { action: `list policy rules (IPv${family})`, type: RTM_GETRULE, dump: true, payload };
  return askKernel("route", question).filter(isOwnPreference).map(asText).join(",");
}

/** Other programs' rules come and go, they are no reason to look closer. */
export function isOwnPreference(message: NetlinkMessage): boolean {
  const preference = parseAttributes(afterHeader(message, RTM_HEADER_BYTES)).get(FRA_PRIORITY);
  return preference?.length === 4 && OWN_PREFERENCES.includes(preference.readUInt32LE(0));
}

function routes(family: AddressFamily): string {
  const table = Buffer.alloc(4);
  table.writeUInt32LE(DELIVER_TABLE);
  const payload = Buffer.concat([Buffer.alloc(RTM_HEADER_BYTES), renderAttribute(RTA_TABLE, table)]);
  payload.writeUInt8(AF[family], 0);
  const question = { action: `list routes of table ${DELIVER_TABLE} (IPv${family})`, type: RTM_GETROUTE, dump: true };
  try {
    return askKernel("route", { ...question, payload })
      .map(asText)
      .join(",");
  } catch (error) {
    // A table without routes does not exist.
    if (error instanceof SocketError && error.errnoName === "ENOENT") return "";
    throw error;
  }
}

function asText({ payload }: NetlinkMessage): string {
  return payload.toString("base64");
}
