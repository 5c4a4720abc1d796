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

/**
 * `status`: the HTTP status the API server answered, 0 when there was no answer. `reason`: that of its Status object,
 * e.g. `AlreadyExists`, `Expired`, `Forbidden`.
 */
export class KubeError extends HawserError<"kube-request-failed"> {
  readonly status: number;
  readonly reason: string;

  constructor(message: string, status: number, reason: string, options?: { cause?: unknown }) {
    super("kube-request-failed", message, options);
    this.status = status;
    this.reason = reason;
  }
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
