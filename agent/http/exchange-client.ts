/**
 * Whose request an exchange is. It frames the answer in its version of HTTP, and decides what becomes of its connection;
 * the exchange says what is answered, in this order:
 *
 *   answerInterim* -> answerHead -> answerBody* -> answerEnd
 *                \                       \-------> abort        the answer cannot be completed
 *                 \-> answerWhole | upgrade | abort
 *
 * Exactly one of `answerEnd`, `answerWhole`, `upgrade` and `abort` ends it, unless the client is gone. A method that
 * returns false took what it was given all the same; the exchange waits for its `clientDrained` before the next.
 */
import type { CloseReason } from "../relay/relay.ts";
import type { Fields } from "./fields.ts";
import type { WholeAnswer } from "./own-answer.ts";
import type { UpgradedConnection } from "./request-carrier.ts";
import type { RequestReason } from "./request-failure.ts";
import type { ResponseHead } from "./response-head.ts";

/** Why the rest of a request is not read. */
export interface RequestFault {
  readonly code: RequestReason;
  /** What a client is told that was told nothing yet. */
  readonly status: number;
  readonly message: string;
}

export interface ExchangeClient {
  /** 100 to 199, but 101. */
  answerInterim(head: ResponseHead): boolean;
  answerHead(head: ResponseHead): void;
  /** The buffer is the caller's again. False: no more until it has drained. */
  answerBody(content: Buffer): boolean;
  answerEnd(trailers: Fields | undefined): void;
  /** An answer of ours. */
  answerWhole(answer: WholeAnswer): void;
  /** A 101: from now on both ends are bytes. */
  upgrade(head: ResponseHead, upstream: UpgradedConnection): void;
  /** `resetCode`: of HTTP/2. */
  abort(reason: CloseReason, detail: string, resetCode: number | undefined): void;
  /** No more of the body, for now. */
  pauseRequest(): void;
  resumeRequest(): void;
}
