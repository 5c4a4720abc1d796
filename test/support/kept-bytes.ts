/** What is kept of things that have come and gone, until everything is collected. */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options?: { readonly type: "minor" }) => void;

/**
 * Bytes that are on the heap after `churn` and were not before, though all young objects were collected. What is there already
 * has become old.
 */
export function keptBytes(churn: () => void): number {
  collect();
  collect();
  const before = getHeapStatistics().used_heap_size;
  churn();
  for (let count = 0; count < 3; count += 1) collect({ type: "minor" });
  return getHeapStatistics().used_heap_size - before;
}
