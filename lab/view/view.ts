/**
 * The live view: observes the lab each second and shows it, refreshed in place on a terminal, else as plain text now
 * and then.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { WriteStream } from "node:tty";
import { describeError } from "../../core/errors.ts";
import { type LabObservation, type ObservedLab, observeLab } from "../report/lab-observation.ts";
import { LiveScreen } from "./live-screen.ts";
import { renderView } from "./render-view.ts";

export interface ViewOptions {
  readonly output: NodeJS.WritableStream;
  /** Ends the view. */
  readonly signal: AbortSignal;
}

const PERIOD_MS = 1000;
/** Rates and percentiles are over this many periods: long enough to be calm, short enough to see a change. */
const RATE_PERIODS = 5;
/** Without a terminal, a frame every so many periods: a log that can still be read. */
const PLAIN_PERIODS = 10;

/** Resolves after `signal`. A lab that does not answer is shown as that, and asked again. */
export async function runView(lab: ObservedLab, { output, signal }: ViewOptions): Promise<void> {
  using screen = isTerminal(output) ? new LiveScreen(output) : new PlainPrinter(output);
  const history: LabObservation[] = [];
  while (!signal.aborted) {
    screen.show(await nextFrame(lab, history));
    await delay(PERIOD_MS, undefined, { signal }).catch(() => {});
  }
}

async function nextFrame(lab: ObservedLab, history: LabObservation[]): Promise<readonly string[]> {
  try {
    const latest = await observeLab(lab, Date.now());
    history.push(latest);
    if (history.length > RATE_PERIODS + 1) history.shift();
    return renderView({ earlier: history[0] ?? latest, latest });
  } catch (error) {
    return [`Lab does not answer: ${describeError(error)}`];
  }
}

function isTerminal(output: NodeJS.WritableStream): output is WriteStream {
  return "isTTY" in output && output.isTTY === true;
}

class PlainPrinter implements Disposable {
  readonly #output: NodeJS.WritableStream;
  #frames = 0;

  constructor(output: NodeJS.WritableStream) {
    this.#output = output;
  }

  show(lines: readonly string[]): void {
    if (this.#frames++ % PLAIN_PERIODS === 0) this.#output.write(`${lines.join("\n")}\n\n`);
  }

  [Symbol.dispose](): void {}
}
