/**
 * Follows the TLS records of one direction of a TCP connection, and says of every segment whether it is what it claims.
 *
 *             SYN seen                    a header that is not TLS's
 *   unsynced ----------> synced ----------------------------------> violated (final: all later payload is offending)
 *      |  ^                |
 *      |  +---- a gap -----+
 *      |  |
 *      |  +---- a gap, or a header that is not TLS's: the guess was wrong
 *      v  |
 *   guessed  (a segment that starts as a TLS record does, in a connection older than the capture)
 *
 * In every state, 32 printable bytes in a row outside of handshake records are an offence. Handshakes are left out
 * because names in them (SNI, ALPN; in TLS 1.2 certificates) are readable by design.
 */
import { MAX_HANDSHAKE_BYTES, MAX_TLS_RECORD_BYTES, PRINTABLE_RUN_BYTES } from "./limits.ts";
import { findPrintableRun } from "./printable-run.ts";
import { handshakeMessageBytes, readServerHello, type ServerHelloReading } from "./server-hello.ts";
import type { OffenceReason } from "./wire-summary.ts";

type State = "unsynced" | "guessed" | "synced" | "violated";

const RECORD_HEADER_BYTES = 5;
const RECORD_HANDSHAKE = 22;
const EMPTY = Buffer.alloc(0);

export class TlsDirection {
  readonly #onServerHello: (reading: ServerHelloReading) => void;
  #state: State = "unsynced";
  #nextSequence = 0;
  #header: Buffer = EMPTY;
  #recordType = 0;
  #recordRemaining = 0;
  /** The beginning of the handshake until the first message is whole; undefined once it was read or given up. */
  #handshake: Buffer | undefined = EMPTY;

  constructor(onServerHello: (reading: ServerHelloReading) => void) {
    this.#onServerHello = onServerHello;
  }

  /** Records can be told apart: what is not TLS is noticed whatever it looks like. */
  get synced(): boolean {
    return this.#state === "synced" || this.#state === "violated";
  }

  /** The connection begins: `sequence` is the SYN's. */
  begin(sequence: number): void {
    this.#state = "synced";
    this.#startAt((sequence + 1) >>> 0);
    this.#handshake = EMPTY;
  }

  /** One segment's payload. */
  judge(sequence: number, payload: Buffer): OffenceReason | undefined {
    if (this.#state === "violated") return "not-tls";
    if (this.#state === "unsynced" && looksLikeRecord(payload)) {
      this.#state = "guessed";
      this.#startAt(sequence);
    }
    if (this.#state === "unsynced") return textIn(payload);
    const ahead = (sequence - this.#nextSequence) | 0;
    if (ahead > 0) {
      this.#state = "unsynced";
      return textIn(payload);
    }
    // Bytes before the expected ones are a retransmission: they were judged when they first came.
    const fresh = payload.subarray(Math.min(payload.length, -ahead));
    this.#nextSequence = (this.#nextSequence + fresh.length) >>> 0;
    return this.#judgeRecords(fresh);
  }

  #startAt(sequence: number): void {
    this.#nextSequence = sequence;
    this.#header = EMPTY;
    this.#recordRemaining = 0;
  }

  #judgeRecords(bytes: Buffer): OffenceReason | undefined {
    let rest = bytes;
    let offence: OffenceReason | undefined;
    while (rest.length > 0) {
      if (this.#recordRemaining === 0) {
        const wanted = RECORD_HEADER_BYTES - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, wanted)]);
        rest = rest.subarray(Math.min(wanted, rest.length));
        if (!this.#acceptHeader()) return this.#rejectHeader(bytes);
      } else {
        const body = rest.subarray(0, this.#recordRemaining);
        rest = rest.subarray(body.length);
        this.#recordRemaining -= body.length;
        if (this.#recordType === RECORD_HANDSHAKE) this.#readHandshake(body);
        else offence ??= textIn(body);
      }
    }
    return offence;
  }

  /** False when the header, as far as it is there, cannot be TLS's. */
  #acceptHeader(): boolean {
    if (!isRecordHeader(this.#header)) return false;
    if (this.#header.length < RECORD_HEADER_BYTES) return true;
    this.#recordType = this.#header.readUInt8(0);
    this.#recordRemaining = this.#header.readUInt16BE(3);
    this.#header = EMPTY;
    return true;
  }

  #rejectHeader(segment: Buffer): OffenceReason | undefined {
    const guessed = this.#state === "guessed";
    this.#state = guessed ? "unsynced" : "violated";
    return guessed ? textIn(segment) : "not-tls";
  }

  #readHandshake(body: Buffer): void {
    if (this.#handshake === undefined) return;
    this.#handshake = Buffer.concat([this.#handshake, body]);
    const messageBytes = handshakeMessageBytes(this.#handshake);
    if (messageBytes === undefined) return;
    if (this.#handshake.length < messageBytes && messageBytes <= MAX_HANDSHAKE_BYTES) return;
    const reading = readServerHello(this.#handshake.subarray(0, messageBytes));
    // After a HelloRetryRequest the server says hello once more.
    this.#handshake = reading?.kind === "retry-request" ? EMPTY : undefined;
    if (reading !== undefined) this.#onServerHello(reading);
  }
}

function textIn(bytes: Buffer): OffenceReason | undefined {
  return findPrintableRun(bytes, PRINTABLE_RUN_BYTES) === -1 ? undefined : "readable-text";
}

function looksLikeRecord(payload: Buffer): boolean {
  return payload.length >= RECORD_HEADER_BYTES && isRecordHeader(payload.subarray(0, RECORD_HEADER_BYTES));
}

/** Whether 1 to 5 bytes can be a record header: RFC 8446 section 5.1, content types 20..24, version 3.x. */
function isRecordHeader(header: Buffer): boolean {
  const [type = 20, major = 3, minor = 3, lengthHigh = 0] = header;
  if (type < 20 || type > 24 || major !== 3 || minor > 4) return false;
  return header.length < RECORD_HEADER_BYTES
    ? lengthHigh <= MAX_TLS_RECORD_BYTES >> 8
    : header.readUInt16BE(3) <= MAX_TLS_RECORD_BYTES;
}
