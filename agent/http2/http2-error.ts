/**
 * What a peer did that HTTP/2 does not allow, with the code that RST_STREAM or GOAWAY tells it (RFC 9113 sections 5.4 and
 * 7). Thrown while frames are read it ends the connection; a malformed message ends its stream alone.
 */
import { HawserError } from "../../core/errors.ts";
import type { Http2Bounds } from "./http2-bounds.ts";

/** Error codes of section 7. */
export const WIRE_CODE = {
  "no-error": 0,
  "protocol-error": 1,
  "internal-error": 2,
  "flow-control-error": 3,
  "settings-timeout": 4,
  "stream-closed": 5,
  "frame-size-error": 6,
  "refused-stream": 7,
  cancel: 8,
  "compression-error": 9,
  "connect-error": 10,
  "enhance-your-calm": 11,
  "inadequate-security": 12,
  "http-1-1-required": 13,
} as const;

export type Http2ErrorCode = Exclude<keyof typeof WIRE_CODE, "no-error">;

export class Http2Error extends HawserError<Http2ErrorCode> {
  /** The bound that was hit. */
  readonly limit: keyof Http2Bounds | undefined;

  constructor(code: Http2ErrorCode, message: string, limit?: keyof Http2Bounds) {
    super(code, message);
    this.limit = limit;
  }

  get wireCode(): number {
    return WIRE_CODE[this.code];
  }
}
