/**
 * Time as a parameter: everything that waits or measures takes a `Clock`, so that tests move time by hand.
 */
export interface Timer {
  /** Stops the timer. Harmless when it has fired. */
  cancel(): void;
}

export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch: for certificates and logs. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start, never going back: for durations and deadlines. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`. The timer does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls `callback` every `periodMs`. The timer does not keep the process alive. */
  every(periodMs: number, callback: () => void): Timer;
}

/** 24 days: a timer that is set for longer fires at once, so it is set for this. */
const LONGEST_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, LONGEST_MS)).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(periodMs, callback) {
    const timer = setInterval(callback, periodMs).unref();
    return { cancel: () => clearInterval(timer) };
  },
};
