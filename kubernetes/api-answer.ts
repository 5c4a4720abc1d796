/** What the API server answered: the body, bounded, as JSON, or the error that its Status object tells. */
import type { IncomingMessage } from "node:http";
import { KubeError, noAnswer } from "./kube-client.ts";
import { limits, timers } from "./limits.ts";

/** The words of a Status object, as far as a person wants to read them in a log. */
const MAX_MESSAGE_CHARACTERS = 500;

/** The part of metav1.Status that is read. */
interface StatusObject {
  readonly message?: unknown;
  readonly reason?: unknown;
  readonly code?: unknown;
  readonly details?: { readonly retryAfterSeconds?: unknown };
}

/** `call` is for people: `GET /api/v1/pods`. Rejects with KubeError for every status but 2xx. */
export async function readAnswer<T>(response: IncomingMessage, call: string): Promise<T> {
  const text = await readText(response, call);
  const status = response.statusCode ?? 0;
  if (status < 200 || status > 299) throw answerError(response, text, call);
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw noAnswer("Unreadable", `${call} was answered with something that is no JSON: ${excerpt(text)}`, cause);
  }
}

/** An event of type ERROR carries the Status that would have been the answer. */
export function statusError(object: unknown, call: string): KubeError {
  const { message, reason, code, details } = (object ?? {}) as StatusObject;
  const status = typeof code === "number" ? code : 0;
  const words = typeof message === "string" ? excerpt(message) : "the API server gave no reason";
  const seconds = details?.retryAfterSeconds;
  return new KubeError(
    `${call} failed with ${status}: ${words}`,
    status,
    typeof reason === "string" ? reason : "Unknown",
    typeof seconds === "number" ? { retryAfterMs: boundedRetryMs(seconds) } : {},
  );
}

function answerError(response: IncomingMessage, text: string, call: string): KubeError {
  const status = response.statusCode ?? 0;
  const { message, reason } = parseStatus(text);
  const seconds = Number(response.headers["retry-after"]);
  const words = typeof message === "string" ? excerpt(message) : excerpt(text);
  return new KubeError(
    `${call} failed with ${status}: ${words}`,
    status,
    typeof reason === "string" ? reason : "Unknown",
    Number.isFinite(seconds) && seconds > 0 ? { retryAfterMs: boundedRetryMs(seconds) } : {},
  );
}

function readText(response: IncomingMessage, call: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve, reject) => {
    const broken = (cause?: unknown): void =>
      reject(noAnswer("Unreachable", `The answer to ${call} broke off after ${bytes} bytes`, cause));
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= limits.responseBytes) return;
      reject(noAnswer("TooMuch", `The answer to ${call} is larger than ${limits.responseBytes} bytes`));
      response.destroy();
    });
    response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    response.on("error", broken);
    response.on("close", () => broken());
  });
}

/** A proxy on the way answers in HTML. */
function parseStatus(text: string): StatusObject {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function boundedRetryMs(seconds: number): number {
  return Math.min(timers.retryAfterMs, Math.max(0, seconds) * 1_000);
}

function excerpt(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > MAX_MESSAGE_CHARACTERS ? `${line.slice(0, MAX_MESSAGE_CHARACTERS)}…` : line;
}
