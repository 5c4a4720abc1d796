/**
 * Boot settings of the agent: flags, or environment variables of the same meaning (flags win). Read once, in main.ts.
 * All mistakes are reported by one start.
 */
import { Command, Option } from "commander";
import { isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";
import { HawserError } from "../core/errors.ts";
import type { LogLevel } from "../core/log.ts";
import { AGENT_ADMIN_PORT } from "../protocol/ports.ts";
import { INTERCEPT_SETTINGS, type InterceptSetting } from "./netfilter/intercept-mode.ts";
import { ENGINE_NAMES, type EngineName } from "./tunnel/engine-name.ts";
import type { EncryptionMode } from "../protocol/table.ts";

export interface AgentSettings {
  readonly node: string;
  readonly stateDir: string;
  /** `wss://host:port` of every controller replica. */
  readonly controllers: readonly string[];
  readonly controllerName: string | undefined;
  readonly tokenFile: string;
  readonly caFile: string;
  /** Pod CIDRs of the whole cluster and of this node: what the guard rules go by before there is a table. */
  readonly clusterCidrs: readonly string[];
  readonly nodeCidrs: readonly string[];
  readonly encryptionBeforeTable: EncryptionMode;
  readonly backend: "auto" | "nft" | "legacy";
  readonly intercept: InterceptSetting;
  readonly engine: EngineName;
  readonly workers: number;
  readonly admin: HostPort;
  /** For scrapers of other machines: metrics and probes only. Undefined: not opened. */
  readonly metrics: HostPort | undefined;
  /** Exists while this agent is ready: for a probe that must not ask another agent of the node by mistake. */
  readonly readyFile: string | undefined;
  readonly logLevel: LogLevel;
  readonly drainMs: number;
  /** Leave the rules in place at an orderly stop without a successor: closed rather than clear. */
  readonly keepRules: boolean;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const MAX_PORT = 65_535;
export const DEFAULT_STATE_DIR = "/var/lib/hawser";

/** More threads than this fight for the same tunnels without moving more bytes. */
const MAX_WORKERS = 64;

interface Raw {
  readonly node?: string;
  readonly stateDir: string;
  readonly controller?: string[];
  readonly controllerName?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly clusterCidrs: string[];
  readonly nodeCidrs: string[];
  readonly encryptionBeforeTable: EncryptionMode;
  readonly backend: AgentSettings["backend"];
  readonly intercept: InterceptSetting;
  readonly tunnelEngine: EngineName;
  readonly workers: string;
  readonly admin: string;
  readonly metrics?: string;
  readonly readyFile?: string;
  readonly logLevel: LogLevel;
  readonly drain: string;
  readonly keepRules?: boolean;
}

/** Throws HawserError `wrong-settings` with every problem, one per line. Exits by itself for `--help`. */
export function parseSettings(argv: readonly string[]): AgentSettings {
  const raw = command()
    .parse([...argv], { from: "user" })
    .opts<Raw>();
  const problems: string[] = [];
  const required = (value: string | undefined, name: string): string => {
    if (value === undefined || value === "") problems.push(`${name} is required`);
    return value ?? "";
  };
  const settings: AgentSettings = {
    node: required(raw.node, "--node (HAWSER_NODE)"),
    stateDir: raw.stateDir,
    controllers: (raw.controller ?? []).map((url) => checkedUrl(url, problems)),
    controllerName: raw.controllerName,
    tokenFile: required(raw.tokenFile, "--token-file (HAWSER_TOKEN_FILE)"),
    caFile: required(raw.caFile, "--ca-file (HAWSER_CA_FILE)"),
    clusterCidrs: checkedCidrs(raw.clusterCidrs, "--cluster-cidrs", problems),
    nodeCidrs: checkedCidrs(raw.nodeCidrs, "--node-cidrs", problems),
    encryptionBeforeTable: raw.encryptionBeforeTable,
    backend: raw.backend,
    intercept: raw.intercept,
    engine: raw.tunnelEngine,
    workers: checkedInteger(raw.workers, "--workers", 1, MAX_WORKERS, problems),
    admin: checkedHostPort(raw.admin, "--admin", problems),
    metrics: optional(raw.metrics, (text) => checkedHostPort(text, "--metrics", problems)),
    readyFile: optional(raw.readyFile, (path) => path),
    logLevel: raw.logLevel,
    drainMs: checkedInteger(raw.drain, "--drain", 0, 3_600, problems) * 1_000,
    keepRules: raw.keepRules ?? false,
  };
  if (settings.controllers.length === 0) problems.push("--controller (HAWSER_CONTROLLER) is required");
  if (problems.length > 0) throw new HawserError("wrong-settings", problems.join("\n"));
  return settings;
}

function command(): Command {
  const list = (value: string): string[] => value.split(",").filter((entry) => entry !== "");
  const option = (flags: string, env: string, description: string): Option => new Option(flags, description).env(env);
  return new Command("agent")
    .description(
      "The Hawser agent of one node: intercepts, encrypts and balances traffic between nodes.\n" +
        "Instead of that: --check [--json] looks whether this host is fit, --remove-traces takes away what agents left.",
    )
    .addOption(option("--node <name>", "HAWSER_NODE", "name of this node"))
    .addOption(option("--state-dir <path>", "HAWSER_STATE_DIR", "table, keys and ownership").default(DEFAULT_STATE_DIR))
    .addOption(option("--controller <urls>", "HAWSER_CONTROLLER", "wss://host:port, comma separated").argParser(list))
    .addOption(option("--controller-name <name>", "HAWSER_CONTROLLER_NAME", "name in the controller's certificate"))
    .addOption(option("--token-file <path>", "HAWSER_TOKEN_FILE", "token that proves which node this is"))
    .addOption(option("--ca-file <path>", "HAWSER_CA_FILE", "roots that the controller's certificate leads to"))
    .addOption(
      option("--cluster-cidrs <cidrs>", "HAWSER_CLUSTER_CIDRS", "pod CIDRs of the cluster, guarded until a table comes")
        .argParser(list)
        .default([]),
    )
    .addOption(
      option("--node-cidrs <cidrs>", "HAWSER_NODE_CIDRS", "pod CIDRs of this node").argParser(list).default([]),
    )
    .addOption(
      option("--encryption-before-table <mode>", "HAWSER_ENCRYPTION_BEFORE_TABLE", "until the first table has come")
        .choices(["strict", "permissive"])
        .default("strict"),
    )
    .addOption(
      option("--backend <name>", "HAWSER_IPTABLES_BACKEND", "which iptables to use")
        .choices(["auto", "nft", "legacy"])
        .default("auto"),
    )
    .addOption(
      option("--intercept <how>", "HAWSER_INTERCEPT", "how the rules hand connections over; auto: as the host needs it")
        .choices(INTERCEPT_SETTINGS)
        .default("auto"),
    )
    .addOption(
      option("--tunnel-engine <name>", "HAWSER_TUNNEL_ENGINE", "what speaks HTTP/2 in tunnels")
        .choices(ENGINE_NAMES)
        .default("framing"),
    )
    .addOption(option("--workers <count>", "HAWSER_WORKERS", "data threads").default("1"))
    .addOption(
      option("--admin <host:port>", "HAWSER_ADMIN", "admin port, loopback only").default(
        `127.0.0.1:${AGENT_ADMIN_PORT}`,
      ),
    )
    .addOption(
      option("--metrics <host:port>", "HAWSER_METRICS", "port for scrapers of other machines, without /config_dump"),
    )
    .addOption(option("--ready-file <path>", "HAWSER_READY_FILE", "a file that exists while this agent is ready"))
    .addOption(
      option("--log-level <level>", "HAWSER_LOG_LEVEL", "least level that is logged")
        .choices(["debug", "info", "warn", "error"])
        .default("info"),
    )
    .addOption(
      option("--drain <seconds>", "HAWSER_DRAIN_SECONDS", "time for open connections at SIGTERM").default("25"),
    )
    .addOption(option("--keep-rules", "HAWSER_KEEP_RULES", "leave the rules at a stop: closed rather than clear"));
}

/** An empty text is as good as none: manifests set variables they have no value for. */
function optional<T>(text: string | undefined, read: (text: string) => T): T | undefined {
  return text === undefined || text === "" ? undefined : read(text);
}

/** IPv6 in brackets or without: `$(HOST_IP):15020` of a manifest has none, and the port is what follows the last colon. */
function checkedHostPort(text: string, flag: string, problems: string[]): HostPort {
  const [, bracketed, plain = "", digits] = /^(?:\[([^\]]+)\]|(.+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  const isHost = bracketed === undefined && !plain.includes(":") ? plain !== "" : isIPv6(host);
  if (!isHost || !(port <= MAX_PORT)) problems.push(`${flag} must be host:port, it is "${text}"`);
  return { host, port };
}

function checkedUrl(url: string, problems: string[]): string {
  if (!URL.canParse(url) || new URL(url).protocol !== "wss:") {
    problems.push(`--controller must be wss://host:port, it is "${url}"`);
  }
  return url;
}

function checkedCidrs(cidrs: readonly string[], flag: string, problems: string[]): readonly string[] {
  for (const cidr of cidrs) {
    if (!ipaddr.isValidCIDR(cidr)) problems.push(`${flag} must be CIDRs, "${cidr}" is none`);
  }
  return cidrs;
}

function checkedInteger(text: string, flag: string, least: number, most: number, problems: string[]): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    problems.push(`${flag} must be a whole number from ${least} to ${most}, it is "${text}"`);
  }
  return value;
}
