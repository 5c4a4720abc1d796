/**
 * Results that are kept from one state to the next while all that they were made of is the same: what was handed in, and
 * whatever was looked up meanwhile. So nobody has to say what depends on what, and nothing can be forgotten.
 *
 *   get --same inputs, and every look-up finds the same--> the very object it was, with its problems
 *       --else--> computed
 *
 * What is not asked for in a state is dropped.
 */
import type { Problem } from "../protocol/documents/problem.ts";
import { CompileProblems } from "./compile-problems.ts";
import type { Read, Trace } from "./traced-names.ts";

interface Kept<R> {
  readonly inputs: readonly unknown[];
  readonly reads: readonly Read[];
  readonly result: R;
  readonly problems: readonly Problem[];
}

export class KeptResults<R> {
  readonly #trace: Trace;
  #before: ReadonlyMap<string, Kept<R>> = new Map();
  #now = new Map<string, Kept<R>>();
  #problems = new CompileProblems();

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** The next state; `problems` is given those of all its results. */
  begin(problems: CompileProblems): void {
    this.#before = this.#now;
    this.#now = new Map();
    this.#problems = problems;
  }

  /** Once for each key of a state. `inputs`: what `compute` takes besides what it looks up, compared as objects. */
  get(key: string, inputs: readonly unknown[], compute: (problems: CompileProblems) => R): R {
    const known = this.#before.get(key);
    const kept = known !== undefined && isStill(known, inputs) ? known : this.#compute(inputs, compute);
    this.#now.set(key, kept);
    this.#problems.list.push(...kept.problems);
    return kept.result;
  }

  #compute(inputs: readonly unknown[], compute: (problems: CompileProblems) => R): Kept<R> {
    const problems = new CompileProblems();
    const recorded = this.#trace.record(() => compute(problems));
    return { ...recorded, inputs, problems: problems.list };
  }
}

function isStill({ inputs, reads }: Kept<unknown>, now: readonly unknown[]): boolean {
  return (
    inputs.length === now.length &&
    inputs.every((input, index) => input === now[index]) &&
    reads.every((read) => read.names.finds(read))
  );
}
