/**
 * The time for which a channel's token speaks for its node. A channel does not outlive it: else one that was stolen in its
 * hour would be good for ever.
 *
 *   good --expiry--> asked again --refused, or another node--> over
 *                     ^  \--still good, or nobody can judge it--\
 *                     \-------------- after a minute -----------/
 *
 * While whoever judges tokens is away the channel stays: nobody gets a newer token then either, and nothing would be won.
 */
import type { Clock, Timer } from "../core/clock.ts";
import { type AgentAuthenticator, isTemporary } from "./agent-authenticator.ts";
import { timers } from "./limits.ts";

export interface TokenTermOptions {
  readonly authenticator: AgentAuthenticator;
  readonly token: string;
  readonly node: string;
  /** Wall clock. */
  readonly expiresAtMs: number;
  readonly clock: Clock;
  readonly onOver: () => void;
}

export class TokenTerm {
  readonly #options: TokenTermOptions;
  #timer: Timer | undefined;
  #isCancelled = false;

  constructor(options: TokenTermOptions) {
    this.#options = options;
  }

  start(): void {
    const { expiresAtMs, clock } = this.#options;
    this.#look(Math.max(expiresAtMs - clock.nowMs(), 0));
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#timer?.cancel();
  }

  /** In steps: a wall clock may be set, and a timer has a longest time. */
  #look(afterMs: number): void {
    this.#timer = this.#options.clock.after(Math.min(afterMs, timers.tokenStepMs), () => {
      const leftMs = this.#options.expiresAtMs - this.#options.clock.nowMs();
      if (leftMs > 0) this.#look(leftMs);
      else void this.#judge();
    });
  }

  async #judge(): Promise<void> {
    const { authenticator, token, node, onOver } = this.#options;
    const answer = await authenticator.authenticate(token);
    if (this.#isCancelled) return;
    const isGood = "node" in answer ? answer.node === node : isTemporary(answer.refused);
    if (isGood) this.#look(timers.tokenStepMs);
    else onOver();
  }
}
