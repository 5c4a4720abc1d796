/** What is different between two states of a node, as lines that came (+) and lines that went (-). */
import type { LabHostState } from "../../lab/lab-status.ts";

/** Part of the state -> its changed lines. Empty when nothing has changed, the order of lines included. */
export function hostStateChanges(
  before: LabHostState,
  after: LabHostState,
): Readonly<Record<string, readonly string[]>> {
  const changes: Record<string, readonly string[]> = {};
  for (const part of Object.keys(before) as (keyof LabHostState)[]) {
    if (before[part] !== after[part]) changes[part] = changedLines(before[part], after[part]);
  }
  return changes;
}

function changedLines(before: string, after: string): readonly string[] {
  const [old, fresh] = [before.split("\n"), after.split("\n")];
  const gone = old.filter((line) => !fresh.includes(line)).map((line) => `- ${line}`);
  const come = fresh.filter((line) => !old.includes(line)).map((line) => `+ ${line}`);
  return gone.length + come.length > 0 ? [...gone, ...come] : ["the same lines in another order or number"];
}
