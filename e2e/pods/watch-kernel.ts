/**
 * Looks at the rules of a network namespace as an agent there does: one look per line of standard input
 * (`nft` or `legacy`), answered with one line of JSON. Ends with its standard input.
 */
import { createInterface } from "node:readline";
import { describeError } from "../../core/errors.ts";
import { readKernelState } from "../../agent/netfilter/kernel-state.ts";

createInterface({ input: process.stdin }).on("line", (line) => {
  try {
    const state = readKernelState(line === "legacy" ? "legacy" : "nft", [4, 6]);
    process.stdout.write(`${JSON.stringify({ ...state, sets: Object.fromEntries(state.sets) })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ error: describeError(error) })}\n`);
  }
});
