/**
 * Brings the iptables tables of one back end to what they should be: own chains, and one jump each from built-in
 * chains. Text that did not change is not written again.
 *
 * What the kernel made of our text is remembered as a fingerprint (our chains and jumps as iptables-save prints them),
 * because versions of iptables print the same rule differently.
 */
import { HawserError } from "../../core/errors.ts";
import type { AddressFamily } from "../../routing/address.ts";
import type { BackEnd } from "./back-end.ts";
import { MAX_WRITE_ATTEMPTS } from "./limits.ts";
import { CREATED_CHAIN } from "./names.ts";
import { NetfilterError } from "./netfilter-error.ts";
import { isJumpToOwnChain, isOwnChain, type TableDump } from "./parse-save.ts";
import { mustBeFirst, renderTable, renderTableChange, renderTableRemoval } from "./render-iptables.ts";
import { TABLE_NAMES, type TableName, type TableRules } from "./rule.ts";

interface FamilyMemory {
  readonly texts: Map<TableName, string>;
  fingerprint: string | undefined;
}

export class TableWriter {
  readonly #backEnd: BackEnd;
  readonly #memory: Record<AddressFamily, FamilyMemory> = { 4: noMemory(), 6: noMemory() };

  constructor(backEnd: BackEnd) {
    this.#backEnd = backEnd;
  }

  /** The next write looks at the kernel instead of trusting its memory. */
  forget(): void {
    for (const family of [4, 6] as const) this.#memory[family] = noMemory();
  }

  isWritten(family: AddressFamily, rules: TableRules): boolean {
    return this.#memory[family].texts.get(rules.table) === renderTable(rules);
  }

  /** Writes the table unless it is as it should be. True when something was written. */
  async write(family: AddressFamily, rules: TableRules): Promise<boolean> {
    if (this.isWritten(family, rules)) return false;
    const memory = this.#memory[family];
    memory.texts.delete(rules.table);
    memory.fingerprint = undefined;
    await this.#writeUncontended(family, rules);
    memory.texts.set(rules.table, renderTable(rules));
    return true;
  }

  /** After all tables of a family were written: remembers what they look like. Throws `table-contended` if not as written. */
  async seal(family: AddressFamily, tables: readonly TableRules[]): Promise<void> {
    const memory = this.#memory[family];
    if (memory.fingerprint !== undefined) return;
    const dump = await this.#backEnd.tables(family);
    const wrong = tables.find((rules) => !isComplete(rules, dump.get(rules.table)));
    if (wrong !== undefined) {
      this.forget();
      const message = `Table ${wrong.table} (IPv${family}) was changed by somebody else as soon as it was written`;
      throw new NetfilterError("table-contended", message);
    }
    memory.fingerprint = fingerprint(dump);
  }

  async findDamage(family: AddressFamily, tables: readonly TableRules[]): Promise<string | undefined> {
    const unwritten = tables.find((rules) => !this.isWritten(family, rules));
    if (unwritten !== undefined) return `table ${unwritten.table} (IPv${family}) was not written yet`;
    const dump = await this.#backEnd.tables(family);
    if (fingerprint(dump) === this.#memory[family].fingerprint) return undefined;
    const wrong = tables.find((rules) => !isComplete(rules, dump.get(rules.table)));
    if (wrong === undefined) return `our rules (IPv${family}) were changed`;
    return `our chains or jumps in table ${wrong.table} (IPv${family}) are missing or misplaced`;
  }

  /** Our chains and jumps are there, whoever made them. */
  async isPresent(family: AddressFamily): Promise<boolean> {
    return [...(await this.#backEnd.tables(family)).values()].some((dump) => [...dump.chains.keys()].some(isOwnChain));
  }

  /**
   * Takes out everything of ours, also of another version's. Interception goes first, then what it relied on: tables in the reverse order
   * of writing. Tables that exist only because of us go too, where that is possible.
   */
  async remove(family: AddressFamily): Promise<void> {
    this.#memory[family] = noMemory();
    const names = new Set<string>([...TABLE_NAMES].reverse());
    for (const name of (await this.#backEnd.tables(family)).keys()) names.add(name);
    for (const name of names) await this.#removeFrom(family, name);
  }

  async #removeFrom(family: AddressFamily, table: string): Promise<void> {
    let created = false;
    await this.#uncontended(family, table, async (dump) => {
      created = dump?.chains.has(CREATED_CHAIN) === true;
      const input = dump === undefined ? undefined : renderTableRemoval(table, dump);
      if (input !== undefined) await this.#backEnd.restore(family, input);
    });
    if (!created) return;
    const left = (await this.#backEnd.tables(family)).get(table);
    if (left !== undefined && isUntouched(left)) await this.#backEnd.deleteTable(family, table);
  }

  #writeUncontended(family: AddressFamily, rules: TableRules): Promise<void> {
    return this.#uncontended(family, rules.table, async (dump) => {
      const markCreated = this.#backEnd.name === "nft";
      await this.#backEnd.restore(family, renderTableChange(rules, dump, markCreated));
    });
  }

  /** A jump that we saw may be gone when we delete it; then the restore fails as a whole, and we look again. */
  async #uncontended(
    family: AddressFamily,
    table: string,
    write: (dump: TableDump | undefined) => Promise<void>,
  ): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const dump = (await this.#backEnd.tables(family)).get(table);
      try {
        await write(dump);
        return;
      } catch (error) {
        if (!(error instanceof HawserError) || error.code !== "command-failed") throw error;
        if (attempt === MAX_WRITE_ATTEMPTS) throw error;
      }
    }
  }
}

function noMemory(): FamilyMemory {
  return { texts: new Map(), fingerprint: undefined };
}

/** Every chain has as many rules as written, every jump is there, and where order matters it is the first rule. */
function isComplete(rules: TableRules, dump: TableDump | undefined): boolean {
  const chains = rules.chains.every((chain) => dump?.chains.get(chain.name)?.length === chain.rules.length);
  return (
    chains &&
    rules.jumps.every((jump) => {
      const found = dump?.chains.get(jump.from) ?? [];
      const places = found.flatMap((rule, index) => (isJumpToOwnChain(` ${rule}`) ? [index] : []));
      return places.length === 1 && (!mustBeFirst(rules.table) || places[0] === 0);
    })
  );
}

/** Our chains and jumps as text; the place of a jump counts where it must be the first. */
function fingerprint(tables: ReadonlyMap<string, TableDump>): string {
  const lines: string[] = [];
  for (const table of TABLE_NAMES) {
    for (const [chain, rules] of tables.get(table)?.chains ?? []) {
      const own = isOwnChain(chain);
      rules.forEach((rule, index) => {
        if (own) lines.push(`${table} ${chain} ${rule}`);
        else if (isJumpToOwnChain(` ${rule}`))
          lines.push(`${table} ${chain} ${mustBeFirst(table) ? index : ""} ${rule}`);
      });
      if (own && chain !== CREATED_CHAIN) lines.push(`${table} ${chain}`);
    }
  }
  return lines.join("\n");
}

/** Nothing in it, and it lets everything pass: as if it were not there. */
function isUntouched(dump: TableDump): boolean {
  const empty = [...dump.chains.values()].every((rules) => rules.length === 0);
  return empty && [...dump.policies.values()].every((policy) => policy === "ACCEPT");
}
