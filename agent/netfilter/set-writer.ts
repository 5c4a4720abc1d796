/**
 * Brings the host's ipsets to what they should be, by the difference and in one call of `ipset restore`.
 *
 * The difference is taken to what was written last, or, when that is unknown (start, failure, damage), to what the
 * kernel has: the sets of an agent before us are taken over without one being empty in between.
 */
import type { Commands } from "./commands.ts";
import type { SetDefinition } from "./desired-rules.ts";
import { DESTROY_RETRY_MS, MAX_DESTROY_ATTEMPTS } from "./limits.ts";
import { SET_PREFIX } from "./names.ts";
import { NetfilterError } from "./netfilter-error.ts";
import { type KnownSet, parseSets, renderSetChanges, setOptions } from "./render-ipset.ts";

export class SetWriter {
  readonly #commands: Commands;
  readonly #sleep: (ms: number) => Promise<unknown>;
  #known: ReadonlyMap<string, KnownSet> | undefined;

  constructor(commands: Commands, sleep: (ms: number) => Promise<unknown>) {
    this.#commands = commands;
    this.#sleep = sleep;
  }

  /** The next write looks at the kernel instead of trusting its memory. */
  forget(): void {
    this.#known = undefined;
  }

  /** Makes the sets that are missing, empty: tables that are written before them refer to some. */
  async create(wanted: readonly SetDefinition[]): Promise<void> {
    if (this.#known !== undefined) return;
    const known = await this.read();
    const empty = wanted
      .filter(({ name }) => !known.has(name))
      .map((set) => ({ name: set.name, options: setOptions(set), entries: new Set<string>() }));
    const input = empty.map(({ name, options }) => `create ${name} ${options}\n`).join("");
    if (input !== "") await this.#commands.output(["ipset", "-exist", "restore"], input);
    this.#known = new Map([...known, ...empty.map((set) => [set.name, set] as const)]);
  }

  /** Fills the sets. Those of ours that are no longer wanted stay until `destroyUnwanted`: rules may refer to them. */
  async write(wanted: readonly SetDefinition[]): Promise<void> {
    const known = this.#known ?? (await this.read());
    const input = renderSetChanges(known, wanted);
    this.#known = undefined;
    // -exist: somebody may have added or removed the entry by hand.
    if (input !== "") await this.#commands.output(["ipset", "-exist", "restore"], input);
    const written = wanted.map((set): [string, KnownSet] => [set.name, { ...set, options: setOptions(set) }]);
    const unwanted = [...known].filter(([name]) => !name.endsWith("-new"));
    this.#known = new Map([...unwanted, ...written]);
  }

  /** After the rules were written: sets of an older version of us. */
  async destroyUnwanted(wanted: readonly SetDefinition[]): Promise<void> {
    const names = new Set(wanted.map((set) => set.name));
    const unwanted = [...(this.#known?.keys() ?? [])].filter((name) => !names.has(name));
    if (unwanted.length === 0) return;
    await this.#destroy(unwanted);
    this.#known = new Map([...(this.#known ?? [])].filter(([name]) => names.has(name)));
  }

  /** Destroys every set of ours. Throws NetfilterError `set-in-use` when somebody else's rule refers to one. */
  async remove(): Promise<void> {
    this.#known = undefined;
    const names = (await this.#commands.output(["ipset", "list", "-n"])).split("\n");
    await this.#destroy(names.filter((name) => name.startsWith(SET_PREFIX)));
  }

  /** What is wrong with the sets, without reading their entries: a set is missing, or has another number of entries. */
  async findDamage(wanted: readonly SetDefinition[]): Promise<string | undefined> {
    const sizes = parseSizes(await this.#commands.output(["ipset", "list", "-t"]));
    for (const set of wanted) {
      const size = sizes.get(set.name);
      if (size === undefined) return `ipset ${set.name} is missing`;
      if (size !== set.entries.size) return `ipset ${set.name} has ${size} entries instead of ${set.entries.size}`;
    }
    return undefined;
  }

  /** Our sets as the kernel has them. */
  async read(): Promise<ReadonlyMap<string, KnownSet>> {
    return parseSets(await this.#commands.output(["ipset", "save"]));
  }

  async #destroy(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#destroyOne(name);
  }

  async #destroyOne(name: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { exitCode, stderr } = await this.#commands.attempt(["ipset", "destroy", name]);
      if (exitCode === 0 || /does not exist/.test(stderr)) return;
      if (attempt === MAX_DESTROY_ATTEMPTS) {
        throw new NetfilterError(
          "set-in-use",
          `Cannot destroy ipset ${name}, is a foreign rule using it: ${stderr.trim()}`,
        );
      }
      await this.#sleep(DESTROY_RETRY_MS);
    }
  }
}

function parseSizes(terse: string): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  let name = "";
  for (const line of terse.split("\n")) {
    if (line.startsWith("Name: ")) name = line.slice("Name: ".length).trim();
    else if (line.startsWith("Number of entries: ")) sizes.set(name, Number(line.slice("Number of entries: ".length)));
  }
  return sizes;
}
