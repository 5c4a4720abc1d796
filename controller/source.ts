/**
 * Where documents come from. Every registry ends in this interface; the rest of the controller never knows which one
 * it is.
 */
import type { Document } from "../protocol/documents/document.ts";
import type { Judgement } from "../routing/compile-problems.ts";

/** The whole state, each time. */
export interface SourceState {
  readonly documents: readonly Document[];
  /** For people: place and reason in one line each. */
  readonly problems: readonly string[];
  /**
   * What a problem costs, those that compiling finds included.
   *   whole  the state is refused, the last good one stays: one person wrote all of it (files)
   *   each   what is wrong is left out and told, the rest is in force: many people write, and none of them may stop the
   *          others' changes (an API server). `documents` then holds what is to be in force in spite of `problems`.
   */
  readonly judgement: Judgement;
}

export interface Source {
  /** Resolves after the first state was handed to `onState`; then `onState` is called at every change. */
  start(onState: (state: SourceState) => void): Promise<void>;
  close(): Promise<void>;
}
