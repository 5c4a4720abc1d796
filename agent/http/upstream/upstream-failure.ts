/** Why a try of a request came to nothing, and whether the server may have seen it. */
import { HawserError } from "../../../core/errors.ts";

export type UpstreamFailureCode =
  /** The endpoint was not reached, or did not accept: the request was certainly not delivered. */
  | "connect-failure"
  /** No answer to the connect in time; what was sent along may be delivered yet. */
  | "connect-timeout"
  /** The endpoint's agent refused us. Another endpoint's would do the same. */
  | "refused"
  /** Not processed: the tunnel was on its way out. */
  | "refused-stream"
  /** Lost in the middle. */
  | "reset"
  /** A connection that had been idle was lost before anything came back: most likely its server closed it. */
  | "stale"
  /** What came back is no HTTP/1.1. */
  | "bad-response"
  /** It speaks HTTP/2 and does not take WebSockets in it. */
  | "websocket-not-supported"
  | "per-try-timeout";

export class UpstreamFailure extends HawserError<UpstreamFailureCode> {
  /** Of HTTP/2, with which the endpoint reset its stream (RFC 9113 section 7): the client gets the same. */
  readonly resetCode: number | undefined;

  constructor(code: UpstreamFailureCode, message: string, resetCode?: number) {
    super(code, message);
    this.resetCode = resetCode;
  }
}

/** The server has not acted on the request, whatever it is. */
export function isUndelivered({ code }: UpstreamFailure): boolean {
  return code === "connect-failure" || code === "refused-stream";
}
