/** What a peer did that ends the connection (RFC 9113 section 5.4.1), with the code that GOAWAY tells it. */
import { HawserError } from "../../../core/errors.ts";

/** Error codes of section 7, the ones this engine sends or maps. */
export const WIRE_CODE = {
  "no-error": 0,
  "protocol-error": 1,
  "flow-control-error": 3,
  "stream-closed": 5,
  "frame-size-error": 6,
  "compression-error": 9,
  "enhance-your-calm": 11,
} as const;

export type FramingErrorCode = Exclude<keyof typeof WIRE_CODE, "no-error">;

export class FramingError extends HawserError<FramingErrorCode> {
  get wireCode(): number {
    return WIRE_CODE[this.code];
  }
}
