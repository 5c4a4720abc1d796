/**
 * One request on its way over a connection to an endpoint, and its user, who is told what comes back. The version of HTTP
 * that is spoken there is this side's own matter.
 *
 *   onTaken -> onReady: sendHead, sendBody*, sendEnd -> onInterim* -> onHead -> onBody* -> onEnd: finish
 *       \__________\____________________________________\_____________\____________\----> onFailed
 *
 * `cancel` ends it from our side, and nothing follows. The answer may be complete before the request is.
 */
import type { Candidate } from "../../../routing/decide-connection.ts";
import type { Fields } from "../fields.ts";
import type { UpgradedConnection } from "../request-carrier.ts";
import type { RequestHead } from "../request-head.ts";
import type { ResponseHead } from "../response-head.ts";
import type { UpstreamFailure } from "./upstream-failure.ts";

export interface UpstreamRequest {
  readonly candidate: Candidate;
  /** The endpoint has accepted the connection. */
  readonly isOpen: boolean;
  /** Written, and not yet on its way. */
  readonly queuedBytes: number;
  readonly heldBytes: number;
  sendHead(head: RequestHead): void;
  /** False: wait for `onDrain`. */
  sendBody(content: Buffer): boolean;
  sendEnd(trailers: Fields | undefined): void;
  /** No more of the answer, for now. */
  pause(): void;
  resume(): void;
  /** Gives it up; the endpoint is told, if it has begun. */
  cancel(): void;
  /** After `onEnd`: its connection is of use to others. */
  finish(): void;
  /** After a 101, from within `onHead`. Undefined where there is no such thing. */
  upgraded(): UpgradedConnection | undefined;
}

export interface UpstreamUser {
  /** First of all: by this. */
  onTaken(upstream: UpstreamRequest): void;
  /** The request may be sent. */
  onReady(): void;
  /** 100 to 199, but 101. */
  onInterim(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
  /** Lent: valid until this returns. */
  onBody(content: Buffer): void;
  onEnd(trailers: Fields | undefined): void;
  /** May send again. */
  onDrain(): void;
  /** Once; nothing follows. */
  onFailed(failure: UpstreamFailure): void;
}
