/**
 * Documents from a directory, watched: inotify tells that something happened, a rescan every few seconds finds what it
 * did not tell (network file systems, a directory that was replaced).
 *
 *   event --> wait until quiet (settle) --> read --> unsettled? wait again, at most so long --> onState
 */
import { watch, type FSWatcher } from "node:fs";
import { stat } from "node:fs/promises";
import type { Clock, Timer } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { DocumentDirectory } from "./document-directory.ts";
import { timers } from "./limits.ts";
import type { Source, SourceState } from "./source.ts";

export interface FilesSourceOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Between two looks at a file that changes faster than it can be read. */
const LEAST_WAIT_MS = 10;

/** A rescan of a large directory takes its time: at most every fiftieth moment is spent on it. */
const RESCAN_PAUSE = 50;

export class FilesSource implements Source {
  readonly #options: FilesSourceOptions;
  readonly #directory: DocumentDirectory;
  #onState: (state: SourceState) => void = () => {};
  #watcher: FSWatcher | undefined;
  #watchedInode = 0;
  #settleTimer: Timer | undefined;
  #rescanTimer: Timer | undefined;
  /** When the first change since the last reading was noticed. */
  #dirtySinceMs: number | undefined;
  #scanning: Promise<void> = Promise.resolve();
  #lastFailure = "";
  #closed = false;

  constructor(options: FilesSourceOptions) {
    this.#options = options;
    this.#directory = new DocumentDirectory(options.directory);
  }

  async start(onState: (state: SourceState) => void): Promise<void> {
    this.#onState = onState;
    await this.#watch();
    // What is there at the start is what there is: a controller that starts must not wait for a busy writer.
    this.#dirtySinceMs = Number.NEGATIVE_INFINITY;
    await this.#scan();
    this.#rescanLater(timers.rescanMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watcher?.close();
    this.#settleTimer?.cancel();
    this.#rescanTimer?.cancel();
    await this.#scanning;
  }

  #changed(): void {
    if (this.#closed) return;
    const nowMs = this.#options.clock.monotonicMs();
    this.#dirtySinceMs ??= nowMs;
    const waitMs = Math.max(
      LEAST_WAIT_MS,
      Math.min(timers.settleMs, this.#dirtySinceMs + timers.longestSettleMs - nowMs),
    );
    this.#settleTimer?.cancel();
    this.#settleTimer = this.#options.clock.after(waitMs, () => void this.#scan());
  }

  #rescanLater(waitMs: number): void {
    if (!this.#closed) this.#rescanTimer = this.#options.clock.after(waitMs, () => void this.#rescan());
  }

  async #rescan(): Promise<void> {
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    await this.#watch();
    if (this.#dirtySinceMs === undefined) await this.#scan();
    this.#rescanLater(Math.max(timers.rescanMs, (clock.monotonicMs() - beganMs) * RESCAN_PAUSE));
  }

  #scan(): Promise<void> {
    this.#scanning = this.#scanning.then(() => this.#scanOnce());
    return this.#scanning;
  }

  async #scanOnce(): Promise<void> {
    if (this.#closed) return;
    const dirtySinceMs = this.#dirtySinceMs;
    const patient =
      dirtySinceMs === undefined || this.#options.clock.monotonicMs() - dirtySinceMs < timers.longestSettleMs;
    this.#dirtySinceMs = undefined;
    try {
      const reading = await this.#directory.read(patient);
      this.#lastFailure = "";
      if (reading.state === "unsettled") {
        this.#dirtySinceMs = dirtySinceMs;
        this.#changed();
      } else if (reading.state === "read") this.#onState(reading);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** A directory that is gone is a problem, not an empty cluster. Told once. */
  #failed(error: unknown): void {
    const failure = `Cannot read the documents in ${this.#options.directory}: ${describeError(error)}`;
    if (failure === this.#lastFailure) return;
    this.#lastFailure = failure;
    this.#directory.forgetReport();
    this.#onState({ documents: [], problems: [failure] });
  }

  /** Watches the directory; again when there is another one under its name. */
  async #watch(): Promise<void> {
    try {
      const { ino } = await stat(this.#options.directory);
      if (this.#closed || (this.#watcher !== undefined && ino === this.#watchedInode)) return;
      this.#watcher?.close();
      const watcher = watch(this.#options.directory, { persistent: false }, () => this.#changed());
      watcher.on("error", (error) => this.#watchFailed(watcher, error));
      this.#watcher = watcher;
      this.#watchedInode = ino;
    } catch (error) {
      this.#watchFailed(undefined, error);
    }
  }

  #watchFailed(watcher: FSWatcher | undefined, error: unknown): void {
    watcher?.close();
    if (this.#watcher === watcher) this.#watcher = undefined;
    const facts = { directory: this.#options.directory, error: describeError(error) };
    this.#options.log.debug(facts, "Cannot watch the documents, looking every few seconds instead");
  }
}
