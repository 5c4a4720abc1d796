/**
 * Lets a bounded number of tasks run at once, and a bounded number wait for their turn, first come, first served.
 */
export interface TurnsOptions {
  readonly atOnce: number;
  readonly waiting: number;
}

export class Turns {
  readonly #options: TurnsOptions;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Undefined: too many wait already. Resolves with undefined when `signal` was aborted before the task's turn came. */
  take<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> | undefined {
    if (this.#running < this.#options.atOnce) return this.#run(task);
    if (this.#waiting.size >= this.#options.waiting) return undefined;
    return new Promise((resolve) => {
      const begin = (): void => {
        this.#waiting.delete(begin);
        signal.removeEventListener("abort", begin);
        resolve(signal.aborted ? undefined : this.#run(task));
      };
      this.#waiting.add(begin);
      signal.addEventListener("abort", begin, { once: true });
    });
  }

  async #run<T>(task: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await task();
    } finally {
      this.#running -= 1;
      const [next] = this.#waiting;
      next?.();
    }
  }
}
