/**
 * What Hawser needs of a Kubernetes API server, by path, so that tests can put a double in its place. Paths are those of
 * the API reference, e.g. `/api/v1/namespaces/shop/pods`; objects are plain JSON, typed by whoever reads them.
 */
import { HawserError } from "../core/errors.ts";

/** As much of every object as all readers need. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
}

export interface KubeList<T> {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items: readonly T[];
}

/** One line of a watch (API concepts, "Efficient detection of changes"). ERROR carries a Status. */
export interface KubeWatchEvent<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: T;
}

export type PatchType =
  | "application/merge-patch+json"
  | "application/json-patch+json"
  | "application/strategic-merge-patch+json"
  | "application/apply-patch+yaml";

export type KubeQuery = Readonly<Record<string, string | number | boolean | undefined>>;

/** Why there is no answer, or none that can be used; instead of a reason of the API server's, with status 0. */
export type NoAnswerReason =
  /** Nothing listens there, the name is unknown, the certificate is not trusted, the connection broke. */
  | "Unreachable"
  /** Not within the time limit; of a watch: no byte for longer than a living one is silent. */
  | "TimedOut"
  /** What came is no JSON, or no event. */
  | "Unreadable"
  /** More than this client takes: an answer, a line, or requests that wait. */
  | "TooMuch"
  /** The caller did not want it any more. */
  | "Aborted"
  | "NoCredentials";

export interface KubeErrorOptions extends ErrorOptions {
  /** How long the API server wants to be left alone. */
  readonly retryAfterMs?: number;
}

/**
 * `status`: the HTTP status the API server answered, 0 when there was no answer. `reason`: that of its Status object,
 * e.g. `AlreadyExists`, `Expired`, `Forbidden`; a `NoAnswerReason` when the status is 0.
 */
export class KubeError extends HawserError<"kube-request-failed"> {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, status: number, reason: string, options: KubeErrorOptions = {}) {
    super("kube-request-failed", message, options);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** An error of this client's own; what the API server says comes with its own words. */
export function noAnswer(reason: NoAnswerReason, message: string, cause?: unknown): KubeError {
  return new KubeError(message, 0, reason, cause === undefined ? {} : { cause });
}

/** Whether it is the API server's answer of this status: 404, 409, 410. */
export function isKubeStatus(error: unknown, status: number): boolean {
  return error instanceof KubeError && error.status === status;
}

/** Every request has a time limit. All reject with KubeError. */
export interface KubeClient {
  get<T>(path: string, query?: KubeQuery): Promise<T>;
  create<T>(path: string, body: object, query?: KubeQuery): Promise<T>;
  /** PUT: fails with 409 Conflict when `metadata.resourceVersion` is given and not the current one. */
  replace<T>(path: string, body: object, query?: KubeQuery): Promise<T>;
  patch<T>(path: string, type: PatchType, body: object, query?: KubeQuery): Promise<T>;
  delete(path: string, query?: KubeQuery): Promise<void>;
  /**
   * Resolves when the server ends the watch in order; rejects when it could not be opened or broke. `onEvent` is called
   * in order, once per line. Aborting `signal` ends it, as does silence for longer than the server's own time limit.
   */
  watch<T>(
    path: string,
    query: KubeQuery,
    onEvent: (event: KubeWatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<void>;
}
