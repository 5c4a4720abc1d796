/**
 * Draws frames of text over each other on a terminal, without its alternate screen: what was printed before stays in
 * the scrollback, and the last frame stays when the program ends.
 *
 * Lines are cut to the width and frames to the height of the terminal at the time of drawing, so that nothing wraps or
 * scrolls; after a change of size everything is drawn anew. Control characters in a line are made harmless: names of
 * pods and captured bytes come from outside.
 */
import type { WriteStream } from "node:tty";

export type Terminal = Pick<WriteStream, "columns" | "rows" | "write" | "on" | "off">;

const HOME = "\x1b[H";
const CLEAR_TO_LINE_END = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

export class LiveScreen implements Disposable {
  readonly #terminal: Terminal;
  readonly #onResize = () => this.#draw();
  #lines: readonly string[] = [];
  #open = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(lines: readonly string[]): void {
    if (!this.#open) this.#start();
    this.#lines = lines;
    this.#draw();
  }

  /** Leaves the last frame where it is, and the cursor below it. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#terminal.off("resize", this.#onResize);
    this.#terminal.write(`${SHOW_CURSOR}\n`);
  }

  /** Scrolls what is on the screen out of the way. */
  #start(): void {
    this.#open = true;
    this.#terminal.on("resize", this.#onResize);
    this.#terminal.write(`${HIDE_CURSOR}${"\n".repeat(this.#rows)}`);
  }

  #draw(): void {
    const lines = fitLines(this.#lines, this.#terminal.columns ?? DEFAULT_COLUMNS, this.#rows - 1);
    const text = lines.map((line) => line + CLEAR_TO_LINE_END).join("\r\n");
    // One write: a terminal that draws between two would flicker.
    this.#terminal.write(`${HOME}${text}\r\n${CLEAR_BELOW}`);
  }

  get #rows(): number {
    return Math.max(2, this.#terminal.rows ?? DEFAULT_ROWS);
  }
}

/** At most `rows` lines of at most `columns` characters; says how many lines are missing. */
export function fitLines(lines: readonly string[], columns: number, rows: number): readonly string[] {
  const missing = lines.length - rows;
  const shown =
    missing <= 0 ? lines : [...lines.slice(0, rows - 1), `... ${missing + 1} more lines, make the window higher`];
  return shown.map((line) => line.replaceAll(/\p{Cc}/gu, ".").slice(0, columns));
}
