/** What an experiment is: ways of doing the same thing (the first is the product's own), and loads they are measured with. */
import type { TestBench } from "./test-bench.ts";
import type { Load } from "./wrk.ts";

export interface Arm {
  readonly name: string;
  /** Puts it into force until disposed of. */
  readonly enter: (bench: TestBench) => Promise<AsyncDisposable>;
  /** Shows something, but no figures are taken of it. */
  readonly observedOnly?: boolean;
}

export interface Experiment {
  readonly name: string;
  /** What the arms are compared on, as a sentence for the output. */
  readonly about: string;
  readonly arms: readonly Arm[];
  readonly loads: readonly Load[];
  /** host:port that wrk calls. */
  readonly authority: (bench: TestBench) => string;
  /** wrk runs in the client's own cgroup. */
  readonly ownCgroup?: boolean;
  /** Lines that are no figures: what a program saw in an arm. Run once per arm, after the loads. */
  readonly observe?: (bench: TestBench) => Promise<readonly string[]>;
}

/** The product as it is. */
export const AS_IS: Arm = {
  name: "as is",
  enter: () => Promise.resolve(new AsyncDisposableStack()),
};
