/** What runs and how long is left, on standard error: one line refreshed in place on a terminal, else a line now and then. */
import type { WriteStream } from "node:tty";

/** Without a terminal one line per this much time is enough to see that it goes on. */
const QUIET_LINE_MS = 5_000;

export class Progress {
  readonly #output: WriteStream;
  #endMs = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(output: WriteStream) {
    this.#output = output;
  }

  start(seconds: number): void {
    this.left(seconds);
  }

  /** Corrects what is left by what is still to do. */
  left(seconds: number): void {
    this.#endMs = performance.now() + seconds * 1_000;
  }

  show(detail: string): void {
    const nowMs = performance.now();
    const line = `bench: ${detail}, ${formatLeft((this.#endMs - nowMs) / 1_000)} left`;
    if (this.#output.isTTY) this.#output.write(`\r\x1b[K${line}`);
    else if (nowMs - this.#lastMs > QUIET_LINE_MS) this.#output.write(`${line}\n`);
    else return;
    this.#lastMs = nowMs;
  }

  /** A line that stays. */
  note(detail: string): void {
    if (this.#output.isTTY) this.#output.write("\r\x1b[K");
    this.#output.write(`bench: ${detail}\n`);
  }

  end(): void {
    if (this.#output.isTTY) this.#output.write("\r\x1b[K");
  }
}

function formatLeft(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 100 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
