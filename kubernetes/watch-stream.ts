/**
 * Reads the body of a watch: one JSON object a line, for as long as the server likes.
 *
 * Ends in one of these ways, and each is told apart: in order (resolves), cut in the middle or unreadable or too long or
 * silent (rejects). What cannot be read ends the watch instead of being skipped: an event that was missed would be a
 * wrong state for ever, while the caller can go on from the last good one.
 */
import type { IncomingMessage } from "node:http";
import type { Clock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import { KubeError, type KubeWatchEvent, noAnswer } from "./kube-client.ts";
import { limits, timers } from "./limits.ts";
import { LineSplitter } from "./line-splitter.ts";

const EVENT_TYPES: ReadonlySet<unknown> = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]);

/** Looks at the time of the last byte this often during the longest silence. */
const LOOKS_PER_SILENCE = 10;

export interface WatchStreamOptions<T> {
  readonly response: IncomingMessage;
  /** For people: `WATCH /api/v1/pods`. */
  readonly call: string;
  readonly onEvent: (event: KubeWatchEvent<T>) => void;
  readonly clock: Clock;
}

export async function readWatch<T>({ response, call, onEvent, clock }: WatchStreamOptions<T>): Promise<void> {
  const lines = new LineSplitter(limits.watchLineBytes);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (error: KubeError): void => {
    reject(error);
    response.destroy();
  };
  let lastByteMs = clock.monotonicMs();
  const look = (): void => {
    if (clock.monotonicMs() - lastByteMs < timers.watchSilenceMs) return;
    fail(noAnswer("TimedOut", `${call} has been silent for ${timers.watchSilenceMs / 1_000} s`));
  };
  const timer = clock.every(timers.watchSilenceMs / LOOKS_PER_SILENCE, look);
  response.on("data", (chunk: Buffer) => {
    lastByteMs = clock.monotonicMs();
    try {
      if (lines.push(chunk, (line) => onEvent(parseEvent<T>(line, call)))) return;
      fail(noAnswer("TooMuch", `${call} sent a line of more than ${limits.watchLineBytes} bytes`));
    } catch (error) {
      fail(asKubeError(error, call));
    }
  });
  const cut = (cause?: unknown): void => reject(noAnswer("Unreachable", `${call} broke off`, cause));
  response.on("end", () => (lines.pendingBytes === 0 ? resolve() : cut()));
  response.on("error", cut);
  // Also after an orderly end, where it changes nothing any more.
  response.on("close", () => cut());
  try {
    await promise;
  } finally {
    timer.cancel();
  }
}

function parseEvent<T>(line: string, call: string): KubeWatchEvent<T> {
  const event = parseLine(line, call) as { readonly type?: unknown; readonly object?: unknown } | null;
  if (EVENT_TYPES.has(event?.type) && typeof event?.object === "object" && event.object !== null) {
    return event as KubeWatchEvent<T>;
  }
  throw noAnswer("Unreadable", `${call} sent something that is no event: ${line.slice(0, 100)}`);
}

function parseLine(line: string, call: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw noAnswer("Unreadable", `${call} sent a line that is no JSON: ${line.slice(0, 100)}`, cause);
  }
}

function asKubeError(error: unknown, call: string): KubeError {
  return error instanceof KubeError ? error : noAnswer("Unreadable", `${call}: ${describeError(error)}`, error);
}
