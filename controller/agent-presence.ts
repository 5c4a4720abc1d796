/**
 * Nodes whose agent has been ready, remembered until the agent says good-bye or the node is gone: a lost channel changes
 * nothing (docs/decisions/0006). Every place that remembers (a file, a ConfigMap) ends in this interface.
 */
export interface AgentPresence {
  /** Resolves when `nodes` is what is remembered; then `onChange` is called after every change of it. */
  start(onChange: () => void): Promise<void>;
  /** Replaced at every change, never edited. */
  readonly nodes: ReadonlySet<string>;
  /** False while something that was added or removed is not in `nodes` yet. */
  readonly isSettled: boolean;
  /** The node's agent is ready. It is in `nodes` once it is remembered. */
  add(node: string): void;
  /** The node's agent took its rules away. */
  remove(node: string): void;
  close(): Promise<void>;
}
