/**
 * What a peer sent that is no HTTP/1.1 message we take. Framing that two readers could understand differently is refused,
 * never repaired: behind an intermediary that repairs, another reader's idea of a request is an attacker's.
 */
import { HawserError } from "../../../core/errors.ts";

/** The status that a client gets for each; from a server, each is a 502. */
const STATUS = {
  /** A control character, or a byte that is not ASCII where only ASCII may be. */
  "bad-byte": 400,
  /** CR without LF, LF without CR. */
  "bad-line-end": 400,
  "bad-start-line": 400,
  "bad-method": 400,
  "bad-target": 400,
  "bad-version": 400,
  "unsupported-version": 505,
  "unsupported-method": 501,
  /** Empty, no token, or with whitespace before its colon. */
  "bad-field-name": 400,
  /** A line that begins with whitespace (obs-fold). */
  "folded-field": 400,
  /** Missing, more than one, or no host. */
  "bad-host": 400,
  "bad-content-length": 400,
  /** Content-Length twice, or beside Transfer-Encoding. */
  "ambiguous-length": 400,
  "bad-transfer-encoding": 400,
  "unsupported-transfer-encoding": 501,
  "unsupported-expectation": 417,
  "bad-chunk": 400,
  "bad-trailer": 400,
  "target-too-long": 414,
  "head-too-large": 431,
  "too-many-fields": 431,
  "trailers-too-large": 431,
  /** Bytes after a message that was said to be the last one. */
  "after-close": 400,
  /** Only a part of a message came in time. */
  "slow-head": 408,
  "slow-body": 408,
} as const;

export type H1ErrorCode = keyof typeof STATUS;

export class H1Error extends HawserError<H1ErrorCode> {
  get status(): number {
    return STATUS[this.code];
  }
}
