/**
 * Documents + nodes with an agent -> the next table, numbered, remembered and published.
 *
 *   SourceState --problems, judged as a whole--> refused: the last good documents stay in force
 *        |
 *     compile --problems, judged as a whole--> refused as well
 *        |       (each by itself: what is wrong is left out, and told once)
 *        |
 *     compare with the table in force --equal--> nothing happens
 *        |
 *     claim a position on disk, then publish the difference
 *
 * One build at a time; what changes meanwhile is taken into the next one. A build that was costly, because many agents
 * had to be told, makes the next one wait: alone, a change is published at once; in a stream of them, several together.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { formatProblem } from "../protocol/documents/problem.ts";
import type { TableDelta, TableSnapshot } from "../protocol/table.ts";
import type { TableContents } from "../routing/compile.ts";
import { diffTables } from "../routing/diff.ts";
import { KUBERNETES_EXCLUDED_NAMESPACES } from "../routing/mesh-defaults.ts";
import { TableCompiler } from "../routing/table-compiler.ts";
import { limits, timers } from "./limits.ts";
import type { SourceState } from "./source.ts";
import type { RememberedState, StateFiles } from "./state-files.ts";
import type { TableHistory } from "./table-history.ts";

export interface TableBuilderOptions {
  readonly history: TableHistory;
  /** Used when the Mesh document names none. */
  readonly trustDomain: string;
  readonly stateFiles: Pick<StateFiles, "claim" | "saveTable">;
  /** Nodes with an agent, as far as that is remembered. */
  readonly agentNodes: () => ReadonlySet<string>;
  /** After a new table is in the history, before the next one is built. */
  readonly onPublished: (table: TableSnapshot) => void | Promise<void>;
  /** Of the newest state. */
  readonly onJudged?: (verdict: Verdict) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Verdict {
  readonly problems: number;
  /** False: the state is in force, but for what has the problems. */
  readonly refused: boolean;
}

/** The rest of the time is for what else the controller does: certificates, new agents, acknowledgements. */
const SHARE_OF_BUILDS = 1 / 3;

export class TableBuilder {
  readonly #options: TableBuilderOptions;
  readonly #compiler = new TableCompiler();
  /** The one in force. */
  #state: SourceState | undefined;
  /** The newest state, not judged yet. */
  #candidate: SourceState | undefined;
  #problems: readonly string[] = [];
  #dirty = false;
  #buildsUnderWay = 0;
  #building: Promise<void> = Promise.resolve();
  #nextBuildMs = 0;

  constructor(options: TableBuilderOptions) {
    this.#options = options;
  }

  /** Why the newest state, or a part of it, is not in force; empty when all of it is. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** What an earlier process left: in force until the documents say something else. */
  async restore(state: RememberedState): Promise<void> {
    if (state.table === undefined) return;
    // Perhaps not the newest that agents have seen: then the same contents under a name of their own.
    const table = state.continues ? state.table : { ...state.table, epoch: randomUUID(), sequence: 1 };
    await this.#publish(table, undefined);
  }

  /** Resolves when the state, or a newer one, is in force or refused. */
  setState(state: SourceState): Promise<void> {
    this.#candidate = state;
    return this.#build();
  }

  /** False while something that was said is neither in force nor refused yet. */
  get isSettled(): boolean {
    return this.#buildsUnderWay === 0;
  }

  /** Resolves when everything said so far is in force or refused. */
  settled(): Promise<void> {
    return this.#building;
  }

  /** Resolves when the nodes that have an agent now are in force as such. */
  agentsChanged(): Promise<void> {
    return this.#build();
  }

  #build(): Promise<void> {
    this.#dirty = true;
    this.#buildsUnderWay += 1;
    this.#building = this.#building
      .then(() => (this.#dirty ? this.#buildPaced() : undefined))
      .finally(() => (this.#buildsUnderWay -= 1));
    return this.#building;
  }

  async #buildPaced(): Promise<void> {
    await this.#pause();
    this.#dirty = false;
    const beganMs = this.#options.clock.monotonicMs();
    await this.#buildOnce();
    const endedMs = this.#options.clock.monotonicMs();
    const pauseMs = (endedMs - beganMs) * (1 / SHARE_OF_BUILDS - 1);
    this.#nextBuildMs = endedMs + Math.min(timers.longestBuildPauseMs, pauseMs);
  }

  #pause(): Promise<void> {
    const { clock } = this.#options;
    const waitMs = this.#nextBuildMs - clock.monotonicMs();
    // Less than the timer's own grain is not worth one.
    if (waitMs < 1) return Promise.resolve();
    return new Promise((resolve) => void clock.after(waitMs, resolve));
  }

  async #buildOnce(): Promise<void> {
    const candidate = this.#candidate;
    this.#candidate = undefined;
    const accepted = candidate !== undefined && (await this.#tryState(candidate));
    // Refused, or none: nodes with an agent may have changed all the same.
    if (!accepted && this.#state !== undefined) await this.#tryState(this.#state);
  }

  async #tryState(state: SourceState): Promise<boolean> {
    try {
      const { contents, problems } = this.#compile(state);
      if (contents === undefined) {
        this.#refuse(problems);
        return false;
      }
      if (state !== this.#state) this.#accept(state, problems);
      await this.#replace(contents);
      return true;
    } catch (error) {
      // A defect of ours must not end the controller: whatever the documents were, the last table is good.
      this.#refuse([`cannot be compiled: ${describeError(error)}`]);
      return false;
    }
  }

  #compile(state: SourceState): { contents: TableContents | undefined; problems: readonly string[] } {
    const { documents, judgement } = state;
    if (judgement === "whole" && state.problems.length > 0) return { contents: undefined, problems: state.problems };
    const { trustDomain } = this.#options;
    const { contents, problems: found } = this.#compiler.compile({
      documents,
      agentNodes: this.#options.agentNodes(),
      trustDomain,
      judgement,
      // Such judgement is a Kubernetes cluster's.
      ...(judgement === "each" ? { excludedNamespaces: KUBERNETES_EXCLUDED_NAMESPACES } : {}),
    });
    const problems = [...state.problems, ...found.map(formatProblem)];
    return { contents: judgement === "whole" && problems.length > 0 ? undefined : contents, problems };
  }

  #accept(state: SourceState, problems: readonly string[]): void {
    const before = new Set(this.#problems);
    this.#state = state;
    this.#problems = problems;
    this.#options.onJudged?.({ problems: problems.length, refused: false });
    if (state.judgement === "each") this.#logDifference(before, new Set(problems));
  }

  /** The same problems are found at every change: each is told when it comes, and when it is gone. */
  #logDifference(before: ReadonlySet<string>, after: ReadonlySet<string>): void {
    const { log } = this.#options;
    for (const problem of [...after.difference(before)].slice(0, limits.loggedProblems)) {
      log.error({ problem, problems: after.size }, "Document refused, all others are in force");
    }
    for (const problem of [...before.difference(after)].slice(0, limits.loggedProblems)) {
      log.info({ problem, problems: after.size }, "Problem of a document is gone");
    }
  }

  #refuse(problems: readonly string[]): void {
    this.#problems = problems;
    this.#options.onJudged?.({ problems: problems.length, refused: true });
    const { log } = this.#options;
    for (const problem of problems.slice(0, limits.loggedProblems)) log.error({ problem }, "Document refused");
    const facts = { problems: problems.length, sequence: this.#options.history.current?.sequence };
    log.error(facts, "The documents have problems and are refused as a whole, the last good table stays in force");
  }

  async #replace(contents: TableContents): Promise<void> {
    const { current } = this.#options.history;
    if (current === undefined) {
      await this.#publish({ ...contents, epoch: randomUUID(), sequence: 1 }, undefined);
      return;
    }
    const change = diffTables(current, contents);
    if (change === undefined) return;
    const { epoch } = current;
    const sequence = current.sequence + 1;
    await this.#publish({ ...contents, epoch, sequence }, { ...change, epoch, sequence });
  }

  async #publish(table: TableSnapshot, delta: TableDelta | undefined): Promise<void> {
    const { history, stateFiles, onPublished, log } = this.#options;
    const claimed = await stateFiles.claim({ epoch: table.epoch, sequence: table.sequence });
    const published = claimed ? table : { ...table, epoch: randomUUID(), sequence: 1 };
    if (claimed && delta !== undefined) history.advance(delta, published);
    else history.reset(published);
    stateFiles.saveTable(published);
    const { epoch, sequence, nodes, workloads, services } = published;
    const facts = { epoch, sequence, nodes: nodes.length, workloads: workloads.length, services: services.length };
    log.info(facts, "Table published");
    await onPublished(published);
  }
}
