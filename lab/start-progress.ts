/** What the lab is doing while it starts: one line refreshed in place on a terminal, a line each otherwise. */
import type { WriteStream } from "node:tty";

export class StartProgress {
  readonly #output: WriteStream;
  readonly #startedMs = performance.now();
  #last = "";

  constructor(output: WriteStream) {
    this.#output = output;
  }

  show(detail: string): void {
    if (detail === this.#last) return;
    this.#last = detail;
    const line = `lab: ${detail} (${((performance.now() - this.#startedMs) / 1000).toFixed(1)} s)`;
    this.#output.write(this.#output.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
  }

  end(): void {
    if (this.#output.isTTY) this.#output.write("\r\x1b[K");
  }
}
