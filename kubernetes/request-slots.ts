/** At most so many requests at once, at most so many waiting for one of them, in order. */
import { noAnswer } from "./kube-client.ts";
import { limits } from "./limits.ts";

export class RequestSlots {
  #free: number = limits.requestsAtOnce;
  readonly #waiting: (() => void)[] = [];

  /** Resolves when it is the caller's turn, who gives it back with `release`. Rejects when too many wait, or at abort. */
  async acquire(signal: AbortSignal): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    if (this.#waiting.length >= limits.requestsWaiting) {
      throw noAnswer("TooMuch", `More than ${limits.requestsWaiting} requests wait for the API server`);
    }
    await this.#wait(signal);
  }

  /** The slot goes from hand to hand while somebody waits. */
  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(signal.reason as Error);
      };
      const take = (): void => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      this.#waiting.push(take);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
