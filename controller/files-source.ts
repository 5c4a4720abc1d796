/**
 * Documents from a directory, watched: inotify tells which files changed, and only these are looked at; a rescan of all
 * every few seconds finds what it did not tell (network file systems, a directory that was replaced).
 *
 *   event --> wait until quiet (settle), at most one batch long --> read what changed --> onState
 *                                                                        \--> unsettled? again, at most so long
 */
import { watch, type FSWatcher } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Clock, Timer } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { isDocumentFile } from "../protocol/documents/document-file.ts";
import { type DirectoryReading, DocumentDirectory } from "./document-directory.ts";
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
  /** Files that may have changed since they were read -> when that was noticed first. */
  readonly #dirtySinceMs = new Map<string, number>();
  /** Something changed, and nobody said where. */
  #allDirty = false;
  /** When the first of the changes was noticed that the next reading takes. */
  #batchSinceMs: number | undefined;
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
    await this.#serially(() => this.#read(() => this.#directory.read(false)));
    this.#rescanLater(timers.rescanMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watcher?.close();
    this.#settleTimer?.cancel();
    this.#rescanTimer?.cancel();
    await this.#scanning;
  }

  /** `name` is a file of the directory; undefined where the kernel did not say which. */
  #changed(name: string | undefined): void {
    // A mounted ConfigMap changes by a link whose name begins like this; with its own name, the directory went away.
    const isAny = name === undefined || name.startsWith("..") || name === basename(this.#options.directory);
    if (isAny) this.#allDirty = true;
    else if (isDocumentFile(name)) this.#markDirty(name);
    else return;
    this.#readLater();
  }

  #markDirty(name: string, sinceMs = this.#options.clock.monotonicMs()): void {
    this.#dirtySinceMs.set(name, Math.min(sinceMs, this.#dirtySinceMs.get(name) ?? sinceMs));
  }

  #readLater(): void {
    if (this.#closed) return;
    const nowMs = this.#options.clock.monotonicMs();
    this.#batchSinceMs ??= nowMs;
    const waitMs = Math.max(
      LEAST_WAIT_MS,
      Math.min(timers.settleMs, this.#batchSinceMs + timers.longestBatchMs - nowMs),
    );
    this.#settleTimer?.cancel();
    this.#settleTimer = this.#options.clock.after(waitMs, () => void this.#serially(() => this.#readBatch()));
  }

  #rescanLater(waitMs: number): void {
    if (!this.#closed) this.#rescanTimer = this.#options.clock.after(waitMs, () => void this.#rescan());
  }

  async #rescan(): Promise<void> {
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    await this.#watch();
    await this.#serially(() => this.#read(() => this.#directory.read(true)));
    this.#rescanLater(Math.max(timers.rescanMs, (clock.monotonicMs() - beganMs) * RESCAN_PAUSE));
  }

  #serially(read: () => Promise<void>): Promise<void> {
    this.#scanning = this.#scanning.then(() => (this.#closed ? undefined : read()));
    return this.#scanning;
  }

  async #readBatch(): Promise<void> {
    this.#batchSinceMs = undefined;
    if (this.#allDirty) {
      this.#allDirty = false;
      await this.#read(() => this.#directory.read(true));
      return;
    }
    const sinceMs = new Map(this.#dirtySinceMs);
    this.#dirtySinceMs.clear();
    const nowMs = this.#options.clock.monotonicMs();
    const isPatient = (name: string): boolean => nowMs - (sinceMs.get(name) ?? nowMs) < timers.longestSettleMs;
    await this.#read(() => this.#directory.readFiles([...sinceMs.keys()], isPatient), sinceMs);
  }

  async #read(look: () => Promise<DirectoryReading>, sinceMs?: ReadonlyMap<string, number>): Promise<void> {
    try {
      const { state, unsettled } = await look();
      this.#lastFailure = "";
      if (state !== undefined) this.#onState(state);
      for (const name of unsettled) this.#markDirty(name, sinceMs?.get(name));
      if (unsettled.length > 0) this.#readLater();
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
    this.#onState({ documents: [], problems: [failure], judgement: "whole" });
  }

  /** Watches the directory; again when there is another one under its name. */
  async #watch(): Promise<void> {
    try {
      const { ino } = await stat(this.#options.directory);
      if (this.#closed || (this.#watcher !== undefined && ino === this.#watchedInode)) return;
      this.#watcher?.close();
      const watcher = watch(this.#options.directory, { persistent: false }, (_event, name) =>
        this.#changed(name ?? undefined),
      );
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
