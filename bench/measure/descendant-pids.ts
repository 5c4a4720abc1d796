/** All processes below one, however deep, without itself: the machine's own pids. */
import { allPids } from "../../lab/launcher/process-tree.ts";
import { parentPid } from "../../lab/cluster/process-usage.ts";

export function descendantPids(root: number): readonly number[] {
  const parents = new Map(allPids().map((pid) => [pid, parentPid(pid)]));
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === root || isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow);
}
