/**
 * What the controller remembers across restarts, so that a restart is not a change for anyone:
 *
 *   position.json   {epoch, sequence} of the newest table that any agent may have seen; written before it is sent
 *   table.json      that table, written a little later; also what stays in force when the documents are wrong at a start
 *   agents.json     nodes whose agent has been ready
 *
 * Invariant: one (epoch, sequence) never means two different tables, even when the disk fails at any moment: numbering
 * goes on after a restart only when position and table on disk agree; and as long as a position cannot be written, none
 * is used that follows the one on disk (see `claim`).
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Clock, Timer } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { removeStaleTemporaries, writeFileAtomic } from "../core/write-file-atomic.ts";
import type { TableSnapshot } from "../protocol/table.ts";
import { checkSnapshot } from "../routing/check-table.ts";
import { parseSnapshot } from "../routing/validate-messages.ts";
import { timers } from "./limits.ts";
import type { TablePosition } from "./table-history.ts";

export interface StateFilesOptions {
  /** Created when missing. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly count?: (event: "store-failed") => void;
}

export interface RememberedState {
  /** The last table, if it is there and whole. */
  readonly table: TableSnapshot | undefined;
  /** Numbering may go on from `table`. */
  readonly continues: boolean;
}

/** Changes that do not end have a large table written now and then, not all the time. */
const SAVE_PAUSE = 20;
const STALE_TEMPORARY_MS = 60_000;
const positionSchema = z.object({ epoch: z.string(), sequence: z.int().nonnegative() });
const agentsSchema = z.object({ nodes: z.array(z.string()) });

function readTable(value: unknown): TableSnapshot {
  const table = parseSnapshot(value);
  checkSnapshot(table);
  return table;
}

export class StateFiles {
  readonly #options: StateFilesOptions;
  #positionOnDisk: TablePosition | undefined;
  #pendingTable: TableSnapshot | undefined;
  #timer: Timer | undefined;
  /** What writing the table took the last time. */
  #saveMs = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: StateFilesOptions) {
    this.#options = options;
  }

  /** Never rejects: what is missing or unusable is as if it had never been. */
  async load(): Promise<RememberedState> {
    const { directory, clock } = this.#options;
    await this.#attempt("use the state directory", async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await removeStaleTemporaries(directory, STALE_TEMPORARY_MS, clock.nowMs());
    });
    const position = await this.#read("position.json", (value) => positionSchema.parse(value));
    const table = await this.#read("table.json", readTable);
    this.#positionOnDisk = position;
    const continues = table !== undefined && position?.epoch === table.epoch && position.sequence === table.sequence;
    return { table, continues };
  }

  /** Nodes whose agent has been ready; without a list of their own, those of the last table. Never rejects. */
  async loadAgentNodes(): Promise<ReadonlySet<string>> {
    const listed = await this.#read("agents.json", (value) => agentsSchema.parse(value).nodes);
    if (listed !== undefined) return new Set(listed);
    const table = await this.#read("table.json", readTable);
    return new Set((table?.nodes ?? []).filter((node) => node.agent).map((node) => node.name));
  }

  /**
   * Reserves a position before its table is sent anywhere. False: it must not be used, a new epoch is needed (for which
   * this need not be asked again: what a failing disk does not know, it cannot contradict later).
   */
  async claim(position: TablePosition): Promise<boolean> {
    const { epoch, sequence } = position;
    const written = await this.#attempt("write the table's position", () =>
      writeFileAtomic(join(this.#options.directory, "position.json"), JSON.stringify({ epoch, sequence })),
    );
    if (written) this.#positionOnDisk = position;
    return written || this.#positionOnDisk?.epoch !== epoch;
  }

  /** Writes the table soon; the newest one wins. */
  saveTable(table: TableSnapshot): void {
    this.#pendingTable = table;
    const delayMs = Math.max(timers.saveDelayMs, Math.min(timers.longestSaveDelayMs, this.#saveMs * SAVE_PAUSE));
    this.#timer ??= this.#options.clock.after(delayMs, () => void this.flush());
  }

  async saveAgentNodes(nodes: ReadonlySet<string>): Promise<void> {
    const text = JSON.stringify({ nodes: [...nodes].sort() });
    await this.#enqueue("write the list of agents", () =>
      writeFileAtomic(join(this.#options.directory, "agents.json"), text),
    );
  }

  /** Writes what is pending. Never rejects. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#enqueue("write the table", async () => {
      const table = this.#pendingTable;
      if (table === undefined) return;
      this.#pendingTable = undefined;
      const beganMs = this.#options.clock.monotonicMs();
      await writeFileAtomic(join(this.#options.directory, "table.json"), JSON.stringify(table));
      this.#saveMs = this.#options.clock.monotonicMs() - beganMs;
    });
  }

  /** One write after the other: two for the same file must not overlap. */
  async #enqueue(what: string, write: () => Promise<void>): Promise<void> {
    this.#writing = this.#writing.then(async () => void (await this.#attempt(what, write)));
    await this.#writing;
  }

  async #attempt(what: string, action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      this.#options.count?.("store-failed");
      this.#options.log.error({ directory: this.#options.directory, error: describeError(error) }, `Cannot ${what}`);
      return false;
    }
  }

  async #read<T>(name: string, parse: (value: unknown) => T): Promise<T | undefined> {
    try {
      return parse(JSON.parse(await readFile(join(this.#options.directory, name), "utf8")));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      const facts = { path: join(this.#options.directory, name), error: describeError(error) };
      this.#options.log.error(facts, "State file is unusable, going on without it");
      return undefined;
    }
  }
}
