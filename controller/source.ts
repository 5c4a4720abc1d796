/**
 * Where documents come from. Every registry ends in this interface; the rest of the controller never knows which one
 * it is.
 */
import type { Document } from "../protocol/documents/document.ts";

/** The whole state, each time. With problems, the state is refused as a whole, whatever documents could be read. */
export interface SourceState {
  readonly documents: readonly Document[];
  /** For people: place and reason in one line each. */
  readonly problems: readonly string[];
}

export interface Source {
  /** Resolves after the first state was handed to `onState`; then `onState` is called at every change. */
  start(onState: (state: SourceState) => void): Promise<void>;
  close(): Promise<void>;
}
