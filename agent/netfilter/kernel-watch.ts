/**
 * Decides whether the rules must be listed and compared (seven programs), or whether the kernel shows that nobody has
 * touched them since they were compared last (a few system calls).
 *
 *            look ---> unchanged, sets as wanted, compared less than 30 s ago ---> nothing to do   (quick-check)
 *                 ---> anything else, or it cannot be told ---> compare --intact--> remember the look (full-check)
 *
 * A look is taken before the comparison that confirms it: what changes in between differs from it, and is seen next time.
 */
import type { Clock } from "../../core/clock.ts";
import { describeError, HawserError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { AddressFamily } from "../../routing/address.ts";
import type { BackendName } from "./back-end.ts";
import type { SetDefinition } from "./desired-rules.ts";
import type { KernelState, ReadKernelState } from "./kernel-state.ts";
import { FULL_CHECK_PERIOD_MS } from "./limits.ts";

export type WatchEvent =
  /** A look was enough. */
  | "quick-check"
  /** All rules were listed and compared. */
  | "full-check"
  /** The kernel could not be looked at: the check is a full one. */
  | "watch-failed";

export interface KernelWatchOptions {
  readonly read: ReadKernelState;
  readonly clock: Clock;
  readonly log: Log;
  readonly count: (event: WatchEvent) => void;
}

export class KernelWatch {
  readonly #options: KernelWatchOptions;
  #confirmed: { readonly state: KernelState; readonly atMs: number } | undefined;
  #warned = false;

  constructor(options: KernelWatchOptions) {
    this.#options = options;
  }

  /** Undefined when it cannot be had; said once, because the rules are then compared at every check, as safe as ever. */
  look(backend: BackendName, families: readonly AddressFamily[]): KernelState | undefined {
    try {
      return this.#options.read(backend, families);
    } catch (error) {
      if (!(error instanceof HawserError)) throw error;
      this.#options.count("watch-failed");
      if (!this.#warned) {
        const facts = { event: "netfilter-watch-failed", error: describeError(error) };
        this.#options.log.warn(facts, "Cannot see changes of rules in the kernel, listing all rules at every check");
      }
      this.#warned = true;
      return undefined;
    }
  }

  /** True when the rules need no comparison. */
  isUnchanged(state: KernelState | undefined, sets: readonly SetDefinition[]): boolean {
    const unchanged = state !== undefined && this.#isConfirmed(state) && hasSets(state, sets);
    if (unchanged) this.#options.count("quick-check");
    return unchanged;
  }

  /** All rules were compared after this look; `intact`: they are as they should be. */
  compared(state: KernelState | undefined, intact: boolean): void {
    this.#options.count("full-check");
    this.#confirmed = state && intact ? { state, atMs: this.#options.clock.monotonicMs() } : undefined;
  }

  /** The next check compares. */
  forget(): void {
    this.#confirmed = undefined;
  }

  #isConfirmed({ tables, routing }: KernelState): boolean {
    if (this.#confirmed === undefined) return false;
    const { state, atMs } = this.#confirmed;
    const isFresh = this.#options.clock.monotonicMs() - atMs < FULL_CHECK_PERIOD_MS;
    return isFresh && tables === state.tables && routing === state.routing;
  }
}

/** Our own writes to sets change no table: sets are compared with what is wanted, as the full check does it. */
function hasSets(state: KernelState, wanted: readonly SetDefinition[]): boolean {
  return wanted.every((set) => state.sets.get(set.name) === set.entries.size);
}
