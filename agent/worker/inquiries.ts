/** Questions of the main thread that every data worker answers for itself: they are over when all have, or in time. */
import type { Clock, Timer } from "../../core/clock.ts";

/** A person waits for it, and a worker that has not come to it by then has other troubles. */
const PATIENCE_MS = 1_000;

interface Inquiry<T> {
  readonly unanswered: Set<number>;
  readonly answers: T[];
  readonly timer: Timer;
  readonly resolve: (answers: readonly T[]) => void;
}

export class Inquiries<T> {
  readonly #clock: Clock;
  readonly #open = new Map<number, Inquiry<T>>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `post` asks one worker, and is false when it is not there. Resolves with the answers that came. */
  ask(workers: readonly number[], post: (worker: number, id: number) => boolean): Promise<readonly T[]> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const timer = this.#clock.after(PATIENCE_MS, () => this.#close(id));
      this.#open.set(id, { unanswered: new Set(workers), answers: [], timer, resolve });
      for (const worker of workers) if (!post(worker, id)) this.#without(id, worker);
      if (workers.length === 0) this.#close(id);
    });
  }

  answer(id: number, worker: number, answer: T): void {
    this.#open.get(id)?.answers.push(answer);
    this.#without(id, worker);
  }

  /** It is gone. */
  forget(worker: number): void {
    for (const id of this.#open.keys()) this.#without(id, worker);
  }

  #without(id: number, worker: number): void {
    const inquiry = this.#open.get(id);
    inquiry?.unanswered.delete(worker);
    if (inquiry?.unanswered.size === 0) this.#close(id);
  }

  #close(id: number): void {
    const inquiry = this.#open.get(id);
    this.#open.delete(id);
    inquiry?.timer.cancel();
    inquiry?.resolve(inquiry.answers);
  }
}
