/**
 * Makes the kernel of one node match a wanted state, and takes everything away again.
 *
 * `apply` takes the WHOLE state and is idempotent; calls run one after another. The order, so that no packet meets half
 * of it:
 *
 *   missing sets, empty -> nat (old and new local shares) -> filter -> sets -> policy routing -> mangle -> nat (new ones only) -> old sets
 *
 * mangle is the switch: it decides who is intercepted, so everything it leads to is there before it. A Service that
 * loses its local share keeps its DNAT until mangle and the sets send nobody there any more. Removal goes backwards.
 *
 * Removal needs no memory: it recognises our chains, sets, rules and routes by their names, of whatever version and in
 * both back ends of iptables, and creates nothing.
 */
import { setTimeout } from "node:timers/promises";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { RunCommand } from "../../core/run-command.ts";
import type { AddressFamily } from "../../routing/address.ts";
import {
  BackEnd,
  BACKEND_NAMES,
  type BackendChoice,
  type BackendName,
  type BackendSetting,
  chooseBackend,
} from "./back-end.ts";
import { Commands } from "./commands.ts";
import type { RulesDump } from "./describe-rules.ts";
import type { DesiredRules, FamilyRules } from "./desired-rules.ts";
import type { KernelWatch } from "./kernel-watch.ts";
import { kubeProxyHazards } from "./kube-proxy-mode.ts";
import { natRules } from "./nat-rules.ts";
import type { DirectService } from "./node-view.ts";
import { PolicyRouting } from "./policy-routing.ts";
import type { TableRules } from "./rule.ts";
import { SetWriter } from "./set-writer.ts";
import { TableWriter } from "./table-writer.ts";

export interface NetfilterOptions {
  readonly run: RunCommand;
  /**
   * For short waits between attempts. The default keeps the process alive, unlike the timers of a Clock: an agent that
   * stops must not be gone before its sets are.
   */
  readonly sleep?: (ms: number) => Promise<unknown>;
  readonly log: Log;
  /** Default `auto`. */
  readonly backend?: BackendSetting;
  /** Spares most checks of the rules. Without it, each lists all of them. */
  readonly watch?: KernelWatch;
}

const BOTH_FAMILIES: readonly AddressFamily[] = [4, 6];

export class Netfilter {
  readonly #commands: Commands;
  readonly #log: Log;
  readonly #setting: BackendSetting;
  readonly #watch: KernelWatch | undefined;
  readonly #sets: SetWriter;
  readonly #routing: PolicyRouting;
  readonly #tables: Readonly<Record<BackendName, TableWriter>>;
  readonly #backEnds: Readonly<Record<BackendName, BackEnd>>;
  #choice: BackendChoice | undefined;
  #hazards: readonly string[] = [];
  /** The other back end was looked at: what a crashed agent left there is gone. */
  #otherIsClean = false;
  readonly #direct: Record<AddressFamily, readonly DirectService[]> = { 4: [], 6: [] };
  /** Policy routing is as it should be, as far as we know. */
  #routed = false;
  /** What was applied last, if it is in force as far as we know. */
  #applied: DesiredRules | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: NetfilterOptions) {
    this.#commands = new Commands(options.run);
    this.#log = options.log;
    this.#setting = options.backend ?? "auto";
    this.#watch = options.watch;
    this.#sets = new SetWriter(this.#commands, options.sleep ?? setTimeout);
    this.#routing = new PolicyRouting(this.#commands);
    this.#backEnds = { nft: new BackEnd("nft", this.#commands), legacy: new BackEnd("legacy", this.#commands) };
    this.#tables = { nft: new TableWriter(this.#backEnds.nft), legacy: new TableWriter(this.#backEnds.legacy) };
  }

  /** Which iptables is used and why; looked up once. Throws NetfilterError `no-back-end`. */
  async detectBackend(): Promise<BackendChoice> {
    if (this.#choice === undefined) {
      this.#choice = await chooseBackend(this.#commands, this.#setting);
      const { backend, reason, families } = this.#choice;
      this.#log.info({ event: "netfilter-back-end", backend, reason, families }, "Back end of iptables is chosen");
      if (!families.includes(6)) {
        this.#log.warn({ event: "netfilter-without-ipv6" }, "This host has no IPv6, only IPv4 is intercepted");
      }
      this.#hazards = await kubeProxyHazards(this.#commands);
      for (const hazard of this.#hazards) this.#log.warn({ event: "netfilter-hazard" }, hazard);
    }
    return this.#choice;
  }

  /** Rejects with what failed; then the next apply starts from what the kernel has. */
  apply(desired: DesiredRules): Promise<void> {
    return this.#exclusive(async () => {
      try {
        await this.#apply(desired);
        this.#applied = desired;
      } catch (error) {
        this.forget();
        throw error;
      }
    });
  }

  /** Takes everything away that any agent of this node made. Rejects when something would not go. */
  remove(): Promise<void> {
    return this.#exclusive(() => this.#remove());
  }

  /** True when nothing is missing, changed or misplaced. */
  async isIntact(desired: DesiredRules): Promise<boolean> {
    return (await this.findDamage(desired)) === undefined;
  }

  /**
   * The first thing found that is not as it should be, for the log; undefined when all is well. Reads only; with a watch
   * cheap enough for every second. After damage the next `apply` believes nothing that it remembers, and so repairs.
   */
  findDamage(desired: DesiredRules): Promise<string | undefined> {
    return this.#exclusive(async () => {
      const { backend, families } = await this.detectBackend();
      // Before the rules are listed, see KernelWatch; and only at tables that are there because we wrote them.
      const state = desired === this.#applied ? this.#watch?.look(backend, families) : undefined;
      if (this.#watch?.isUnchanged(state, setsOf(desired, families)) === true) return undefined;
      const damage = await this.#compare(desired);
      this.#watch?.compared(state, damage === undefined);
      if (damage !== undefined) this.forget();
      return damage;
    });
  }

  /** For the operator: which back end and why, and what on this host stands in the way. */
  describe(): Readonly<Record<string, unknown>> {
    return { ...this.#choice, hazards: this.#hazards };
  }

  /** Everything of ours that the kernel has now. */
  dump(): Promise<RulesDump> {
    return this.#exclusive(async () => {
      const { backend, families } = await this.detectBackend();
      const perFamily = families.map(async (family) => ({
        family,
        tables: await this.#backEnds[backend].tables(family),
        ...(await this.#routing.describe(family)),
      }));
      return { backend, families: await Promise.all(perFamily), sets: [...(await this.#sets.read()).values()] };
    });
  }

  async #apply(desired: DesiredRules): Promise<void> {
    const { backend, families } = await this.detectBackend();
    const tables = this.#tables[backend];
    await this.#sets.create(setsOf(desired, families));
    for (const family of families) {
      const { nat, filter } = tablesOf(desired.families[family]);
      await tables.write(family, this.#transitionalNat(family, desired) ?? nat);
      await tables.write(family, filter);
    }
    await this.#sets.write(setsOf(desired, families));
    if (!this.#routed) for (const family of families) await this.#routing.write(family, desired);
    this.#routed = true;
    for (const family of families) await tables.write(family, tablesOf(desired.families[family]).mangle);
    for (const family of families) {
      await tables.write(family, tablesOf(desired.families[family]).nat);
      this.#direct[family] = desired.families[family].direct;
      await tables.seal(family, desired.families[family].tables);
    }
    await this.#cleanOther(backend);
    await this.#sets.destroyUnwanted(setsOf(desired, families));
  }

  async #compare(desired: DesiredRules): Promise<string | undefined> {
    const { backend, families } = await this.detectBackend();
    const damages = await Promise.all([
      ...families.map((family) => this.#tables[backend].findDamage(family, desired.families[family].tables)),
      this.#sets.findDamage(setsOf(desired, families)),
      ...families.map((family) => this.#routing.findDamage(family, desired)),
    ]);
    return damages.find((one) => one !== undefined);
  }

  /** The nat rules that serve both the mangle rules in force and those to come; undefined when the new ones do. */
  #transitionalNat(family: AddressFamily, desired: DesiredRules): TableRules | undefined {
    const { direct } = desired.families[family];
    const wanted = new Set(direct.map(({ vip, port }) => `${vip} ${port}`));
    const leaving = this.#direct[family].filter(({ vip, port }) => !wanted.has(`${vip} ${port}`));
    return leaving.length === 0 ? undefined : natRules([...direct, ...leaving], family, desired.options);
  }

  /** An agent before us may have used the other back end; its rules lead to ports where nobody listens. */
  async #cleanOther(backend: BackendName): Promise<void> {
    if (this.#otherIsClean) return;
    const other = backend === "nft" ? "legacy" : "nft";
    if (await this.#removeTables(other)) {
      this.#log.warn(
        { event: "netfilter-other-back-end", other },
        "Rules of an earlier agent were in the other back end",
      );
    }
    this.#otherIsClean = true;
  }

  async #remove(): Promise<void> {
    this.forget();
    this.#otherIsClean = false;
    for (const name of BACKEND_NAMES) await this.#removeTables(name);
    for (const family of BOTH_FAMILIES) await this.#routing.remove(family);
    await this.#sets.remove();
  }

  /** False when there was nothing, or the back end (or IPv6) does not work here and so holds nothing. */
  async #removeTables(name: BackendName): Promise<boolean> {
    let found = false;
    for (const family of BOTH_FAMILIES) {
      if (!(await this.#isPresent(name, family))) continue;
      found = true;
      await this.#tables[name].remove(family);
    }
    return found;
  }

  async #isPresent(name: BackendName, family: AddressFamily): Promise<boolean> {
    try {
      return await this.#tables[name].isPresent(family);
    } catch (error) {
      this.#log.debug(
        { event: "netfilter-unreadable", name, family, error: describeError(error) },
        "Cannot list rules",
      );
      return false;
    }
  }

  /** The next `apply` starts from what the kernel has. */
  forget(): void {
    for (const name of BACKEND_NAMES) this.#tables[name].forget();
    this.#sets.forget();
    for (const family of BOTH_FAMILIES) this.#direct[family] = [];
    this.#routed = false;
    this.#applied = undefined;
    this.#watch?.forget();
  }

  /** One call after another, whatever became of the one before. */
  #exclusive<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#last.then(action, action);
    this.#last = result.catch(() => {});
    return result;
  }
}

function setsOf(desired: DesiredRules, families: readonly AddressFamily[]): DesiredRules["sets"] {
  return desired.sets.filter((set) => set.family === undefined || families.includes(set.family));
}

function tablesOf({ tables }: FamilyRules): Readonly<Record<TableRules["table"], TableRules>> {
  return Object.fromEntries(tables.map((rules) => [rules.table, rules])) as Record<TableRules["table"], TableRules>;
}
