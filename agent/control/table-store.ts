/**
 * The last good table on disk, so that a node which boots while every controller is away still comes up meshed.
 *
 * Writes are debounced, never overlap, and replace the file atomically. A disk that is full, read-only or dead is logged
 * and counted; the agent goes on with the table it has in memory, and tries again.
 */
import { mkdir, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError, HawserError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { removeStaleTemporaries, writeFileAtomic } from "../../core/write-file-atomic.ts";
import type { TableSnapshot } from "../../protocol/table.ts";
import { checkSnapshot } from "../../routing/check-table.ts";
import { parseSnapshot } from "../../routing/validate-messages.ts";
import { controlLimits } from "./limits.ts";

export type TableStoreEvent = "load-failed" | "save-failed";

export interface TableStoreOptions {
  /** The agent's state directory; created when missing. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly count?: (event: TableStoreEvent) => void;
}

const FILE_NAME = "table.json";
const STALE_TEMPORARY_MS = 60_000;
/** In place of the controller's own epoch: the table is good to begin with, and is asked for anew. */
const INCOMPLETE = "without routes";

export class TableStore {
  readonly #options: TableStoreOptions;
  readonly #path: string;
  /** The newest state that is not on disk yet. A function, so that the snapshot is made once per write. */
  #pending: (() => TableSnapshot) | undefined;
  #timer: Timer | undefined;
  /** After a failure. */
  #retry: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failing = false;

  constructor(options: TableStoreOptions) {
    this.#options = options;
    this.#path = join(options.directory, FILE_NAME);
  }

  /** A table that holds together; undefined when there is none or it is unusable. An unusable one is put aside as `table.json.corrupt`. */
  async load(): Promise<TableSnapshot | undefined> {
    try {
      await removeStaleTemporaries(dirname(this.#path), STALE_TEMPORARY_MS, this.#options.clock.nowMs());
      const { size } = await stat(this.#path);
      if (size > controlLimits.storedTableBytes) throw new HawserError("too-large", `File has ${size} bytes`);
      const stored: unknown = JSON.parse(await readFile(this.#path, "utf8"));
      const snapshot = parseSnapshot(stored);
      checkSnapshot(snapshot);
      return isComplete(stored) ? snapshot : { ...snapshot, epoch: `${snapshot.epoch} ${INCOMPLETE}` };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") await this.#putAside(error);
      return undefined;
    }
  }

  /** Writes `snapshot` soon; the newest one wins. Takes a function where making the snapshot is work. */
  save(snapshot: TableSnapshot | (() => TableSnapshot)): void {
    this.#pending = typeof snapshot === "function" ? snapshot : () => snapshot;
    this.#timer ??= this.#options.clock.after(controlLimits.saveDelayMs, () => void this.flush());
  }

  /** Writes what is pending now. Never rejects. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#retry?.cancel();
    this.#writing = this.#writing.then(() => this.#write());
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
  }

  async #write(): Promise<void> {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    try {
      await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
      await writeFileAtomic(this.#path, JSON.stringify(pending()));
      if (this.#failing) this.#options.log.info({ path: this.#path }, "Table is written to the disk again");
      this.#failing = false;
    } catch (error) {
      this.#saveFailed(error);
      // A mesh at rest brings no change that would write it.
      this.#pending ??= pending;
      this.#retry = this.#options.clock.after(controlLimits.saveRetryMs, () => void this.flush());
    }
  }

  /** One line per outage, however many changes it lasts; the counter has them all. */
  #saveFailed(error: unknown): void {
    this.#options.count?.("save-failed");
    if (this.#failing) return;
    this.#failing = true;
    const facts = { path: this.#path, error: describeError(error) };
    this.#options.log.error(facts, "Cannot write the table to the disk; after a reboot it must come from a controller");
  }

  async #putAside(error: unknown): Promise<void> {
    this.#options.count?.("load-failed");
    const facts = { path: this.#path, error: describeError(error) };
    this.#options.log.error(facts, "Stored table is unusable, waiting for one from a controller");
    await rename(this.#path, `${this.#path}.corrupt`).catch(() => {});
  }
}

/** An agent of a version without routes has dropped those that the controller sent. */
function isComplete(stored: unknown): boolean {
  return typeof stored === "object" && stored !== null && "routes" in stored;
}
