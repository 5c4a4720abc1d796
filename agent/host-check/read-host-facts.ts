/** Reads the facts of the host that this process runs on. Changes nothing: rules are tested, not made. */
import { constants } from "node:fs";
import { access, readFile, statfs } from "node:fs/promises";
import { release } from "node:os";
import path from "node:path";
import koffi from "koffi";
import { describeError } from "../../core/errors.ts";
import type { RunCommand } from "../../core/run-command.ts";
import { BACKEND_NAMES, BackEnd, type BackendChoice, chooseBackend } from "../netfilter/back-end.ts";
import { Commands } from "../netfilter/commands.ts";
import { kubeProxyHazards } from "../netfilter/kube-proxy-mode.ts";
import { DELIVER_TABLE } from "../netfilter/marks.ts";
import { isJumpToOwnChain, isOwnChain, type TableDump } from "../netfilter/parse-save.ts";
import { closeSocket, openSocket, setTransparent } from "../sockets/libc.ts";
import type { HostFacts, Link, StateDirectory } from "./host-facts.ts";
import { hasSetType } from "./set-types.ts";

export interface HostReader {
  readonly run: RunCommand;
  readonly stateDir: string;
}

const SYSCTLS = [
  "net/ipv4/ip_forward",
  "net/ipv6/conf/all/forwarding",
  "net/ipv4/conf/all/rp_filter",
  "net/bridge/bridge-nf-call-iptables",
  "net/netfilter/nf_conntrack_count",
  "net/netfilter/nf_conntrack_max",
] as const;

/** Those of agent/netfilter's sets. */
const SET_TYPES = ["hash:ip", "hash:net", "hash:ip,port", "bitmap:port"] as const;

/** A rule with every extension of ours that old or stripped kernels lack; without a set, which would have to exist. */
const SAMPLE_RULES = `*mangle
-A PREROUTING -p tcp -m socket --transparent --nowildcard -j ACCEPT
-A PREROUTING -p tcp -m connmark --mark 0x1000/0x1000 -m addrtype --dst-type LOCAL -m statistic --mode random --probability 0.5 -j TPROXY --on-port 1 --on-ip 127.0.0.1 --tproxy-mark 0x1000/0x1000
COMMIT
`;

export async function readHostFacts({ run, stateDir }: HostReader): Promise<HostFacts> {
  const commands = new Commands(run);
  const backend = await readBackend(commands);
  const dumps = await readTables(commands);
  const foreign = dumps.flatMap(({ chains }) => [...chains].filter(([name]) => !isOwnChain(name)));
  return {
    kernel: release(),
    capabilities: await readCapabilities(),
    backend,
    missingExtensions: await missingExtensions(commands, backend),
    missingSetTypes: SET_TYPES.filter((type) => !hasSetType(type)),
    transparentSockets: { 4: transparentProblem(false), 6: transparentProblem(true) },
    foreignChains: [...new Set(foreign.map(([name]) => name))],
    foreignRules: foreign.flatMap(([, rules]) => rules.filter((rule) => !isJumpToOwnChain(` ${rule}`))),
    nftTables: await nftTables(commands),
    policyRules: await policyRules(commands),
    kubeProxyHazards: await kubeProxyHazards(commands),
    sysctls: Object.fromEntries(
      await Promise.all(SYSCTLS.map(async (name) => [name, await readSysctl(name)] as const)),
    ),
    links: await readLinks(commands),
    uplink: await readUplink(commands),
    state: await readState(stateDir),
    clockSynchronised: clockSynchronised(),
  };
}

async function readBackend(commands: Commands): Promise<HostFacts["backend"]> {
  try {
    return await chooseBackend(commands, "auto");
  } catch (error) {
    return { problem: describeError(error) };
  }
}

async function readTables(commands: Commands): Promise<readonly TableDump[]> {
  const dumps = BACKEND_NAMES.flatMap((name) =>
    ([4, 6] as const).map((family) =>
      new BackEnd(name, commands).tables(family).catch(() => new Map<string, TableDump>()),
    ),
  );
  return (await Promise.all(dumps)).flatMap((tables) => [...tables.values()]);
}

/** iptables-nft asks the kernel for each extension also in a test; legacy would make its tables to do so. */
async function missingExtensions(
  commands: Commands,
  backend: BackendChoice | { readonly problem: string },
): Promise<readonly string[] | undefined> {
  if ("problem" in backend || backend.backend !== "nft") return undefined;
  const { stderr } = await commands.attempt(["iptables-nft-restore", "--noflush", "--test"], SAMPLE_RULES);
  return [...stderr.matchAll(/Extension (\S+) revision \d+ not supported/g)].map(([, name = ""]) => name);
}

function transparentProblem(ipv6: boolean): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSocket(ipv6);
    setTransparent(fd, ipv6);
    return undefined;
  } catch (error) {
    return describeError(error);
  } finally {
    if (fd !== undefined) closeSocket(fd);
  }
}

async function readCapabilities(): Promise<bigint> {
  const status = await readFile("/proc/self/status", "utf8");
  return BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
}

async function readSysctl(name: string): Promise<string | undefined> {
  return readFile(path.join("/proc/sys", name), "utf8").then(
    (text) => text.trim(),
    () => undefined,
  );
}

async function nftTables(commands: Commands): Promise<readonly string[]> {
  const output = await commands.output(["nft", "list", "tables"]).catch(() => "");
  return output.split("\n").flatMap((line) => (line.startsWith("table ") ? [line.slice("table ".length)] : []));
}

async function policyRules(commands: Commands): Promise<readonly string[]> {
  const outputs = await Promise.all(
    (["-4", "-6"] as const).map((family) => commands.output(["ip", "-N", family, "rule", "show"]).catch(() => "")),
  );
  // The jumps beside our rule have no mark of their own: this is the one.
  const isOurs = (line: string): boolean => line.includes(`lookup ${DELIVER_TABLE}`) || / goto \d+| nop/.test(line);
  return outputs.flatMap((output) => output.split("\n").filter((line) => line !== "" && !isOurs(line)));
}

interface IpLink {
  readonly ifname?: string;
  readonly mtu?: number;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly { readonly local?: string; readonly scope?: string }[];
}

async function readLinks(commands: Commands): Promise<readonly Link[]> {
  const output = await commands.output(["ip", "-json", "-details", "address", "show"]).catch(() => "[]");
  return (JSON.parse(output) as IpLink[]).map(({ ifname = "", mtu = 0, linkinfo, addr_info: addresses = [] }) => ({
    name: ifname,
    mtu,
    kind: linkinfo?.info_kind ?? "",
    addresses: addresses.flatMap(({ local, scope }) => (local === undefined || scope !== "global" ? [] : [local])),
  }));
}

async function readUplink(commands: Commands): Promise<string | undefined> {
  const output = await commands.output(["ip", "route", "show", "default"]).catch(() => "");
  return / dev (\S+)/.exec(output)?.[1];
}

async function readState(directory: string): Promise<StateDirectory> {
  try {
    await access(directory, constants.W_OK);
    const { bavail, bsize } = await statfs(directory);
    return { path: directory, freeBytes: bavail * bsize };
  } catch (error) {
    return { path: directory, problem: describeError(error), freeBytes: 0 };
  }
}

/** struct timex is 208 bytes; `modes` 0 asks only. The return value 5 is TIME_ERROR: not synchronised (adjtimex(2)). */
function clockSynchronised(): boolean | undefined {
  const adjtimex = koffi.load("libc.so.6").func("int adjtimex(void*)");
  const state = adjtimex(Buffer.alloc(208)) as number;
  return state < 0 ? undefined : state !== 5;
}
