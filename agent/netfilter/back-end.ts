/**
 * The two implementations of iptables that a host may have, and which one to use: the one the host's other rules are
 * in, because with rules in both nobody can say what a packet meets first.
 *
 * Detection as in kubernetes-sigs/iptables-wrappers: the kubelet's hint chain, else the one with more rules, else nft.
 */
import { describeError } from "../../core/errors.ts";
import type { AddressFamily } from "../../routing/address.ts";
import type { Commands } from "./commands.ts";
import { NetfilterError } from "./netfilter-error.ts";
import { countForeignRules, parseSave, type TableDump } from "./parse-save.ts";

export type BackendName = "nft" | "legacy";
export type BackendSetting = BackendName | "auto";

export interface BackendChoice {
  readonly backend: BackendName;
  /** One sentence for the operator. */
  readonly reason: string;
  /** What of IP this host has. */
  readonly families: readonly AddressFamily[];
}

export const BACKEND_NAMES: readonly BackendName[] = ["nft", "legacy"];

/** Seconds to wait for another program that holds the lock of legacy iptables. */
const LOCK_WAIT_S = 10;

export class BackEnd {
  readonly name: BackendName;
  readonly #commands: Commands;

  constructor(name: BackendName, commands: Commands) {
    this.name = name;
    this.#commands = commands;
  }

  /**
   * All tables that exist. Never asks for one table by name: legacy would create it.
   * Throws NetfilterError `command-failed`, HawserError `command-not-started`.
   */
  async tables(family: AddressFamily): Promise<ReadonlyMap<string, TableDump>> {
    return parseSave(await this.#commands.output([`${this.#program(family)}-save`]));
  }

  /** Throws NetfilterError `command-failed`; then nothing of the failing table has changed. */
  async restore(family: AddressFamily, input: string): Promise<void> {
    await this.#commands.output([`${this.#program(family)}-restore`, "--noflush", "-w", `${LOCK_WAIT_S}`], input);
  }

  /** True when it is gone. Only nft can, and only with the `nft` program. */
  async deleteTable(family: AddressFamily, table: string): Promise<boolean> {
    if (this.name !== "nft") return false;
    return this.#commands.works(["nft", "delete", "table", family === 4 ? "ip" : "ip6", table]);
  }

  #program(family: AddressFamily): string {
    return `${family === 4 ? "iptables" : "ip6tables"}-${this.name}`;
  }
}

/** Throws NetfilterError `no-back-end` when none works, or the one that was asked for does not. */
export async function chooseBackend(commands: Commands, setting: BackendSetting): Promise<BackendChoice> {
  const names = setting === "auto" ? BACKEND_NAMES : [setting];
  const surveys = await Promise.all(names.map((name) => survey(commands, name)));
  const working = surveys.filter((one) => one.problem === undefined);
  if (working.length === 0) {
    const problems = surveys.map((one) => `${one.name}: ${one.problem}`).join("; ");
    throw new NetfilterError("no-back-end", `Cannot use iptables, is it installed and permitted (${problems})`);
  }
  const { name, reason } = setting === "auto" ? choose(surveys) : { name: setting, reason: "it was asked for" };
  return { backend: name, reason, families: await availableFamilies(commands, name) };
}

interface Survey {
  readonly name: BackendName;
  readonly problem?: string;
  readonly hint?: string;
  readonly rules: number;
}

// The kubelet keeps a chain in the mangle table of the back end it uses (KEP-3178).
const HINT_CHAINS = ["KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"];

async function survey(commands: Commands, name: BackendName): Promise<Survey> {
  const backEnd = new BackEnd(name, commands);
  try {
    const ipv4 = await backEnd.tables(4);
    const ipv6 = await backEnd.tables(6).catch(() => new Map<string, TableDump>());
    const hint = HINT_CHAINS.find((chain) => [ipv4, ipv6].some((tables) => tables.get("mangle")?.chains.has(chain)));
    const rules = countForeignRules(ipv4) + countForeignRules(ipv6);
    return { name, rules, ...(hint === undefined ? {} : { hint }) };
  } catch (error) {
    return { name, rules: 0, problem: describeError(error) };
  }
}

function choose(surveys: readonly Survey[]): { readonly name: BackendName; readonly reason: string } {
  const working = surveys.filter((one) => one.problem === undefined);
  const [only] = working;
  if (only !== undefined && working.length === 1)
    return { name: only.name, reason: "the other one does not work here" };
  const hinted = working.find((one) => one.hint !== undefined);
  if (hinted !== undefined) return { name: hinted.name, reason: `the kubelet's chain ${hinted.hint} is in it` };
  const counts = working.map((one) => `${one.name} ${one.rules}`).join(", ");
  const [first, second] = working;
  const legacy = (second?.rules ?? 0) > (first?.rules ?? 0);
  if (legacy) return { name: "legacy", reason: `it holds more of the host's rules (${counts})` };
  const reason = first?.rules === second?.rules ? "neither holds more rules" : "it holds more of the host's rules";
  return { name: "nft", reason: `${reason} (${counts})` };
}

/** Without ::1 our listeners cannot exist, nor can the route: then IPv6 is left alone. */
async function availableFamilies(commands: Commands, name: BackendName): Promise<readonly AddressFamily[]> {
  const loopback = await commands.attempt(["ip", "-6", "-o", "addr", "show", "dev", "lo"]);
  const hasLoopback = loopback.exitCode === 0 && loopback.stdout.includes("::1/128");
  return hasLoopback && (await commands.works([`ip6tables-${name}-save`])) ? [4, 6] : [4];
}
