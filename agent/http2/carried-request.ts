/**
 * One request and its answer on an HTTP/2 connection, either role: the stream of `RequestStream`, with its messages held to
 * what they have said (RFC 9113 section 8.1).
 *
 *   theirs  [head] --1xx*, final--> body: DATA up to content-length --END_STREAM or trailers--> complete
 *   ours    [head] --1xx*, final--> body --sendData(.., true), sendTrailers--> complete
 */
import type { Fields } from "../http/fields.ts";
import type { FrameBuffer } from "./frame-buffer.ts";
import { Http2Error, WIRE_CODE } from "./http2-error.ts";
import { Http2Stream } from "./http2-stream.ts";
import type { RequestConnection } from "./request-connection.ts";
import type { RequestStream, RequestStreamHandler, ResponseMessage, StreamReset } from "./request-stream.ts";
import { writeTrailers } from "./write-message.ts";

const NO_CONTENT = 204;
const NOT_MODIFIED = 304;

export class CarriedRequest extends Http2Stream implements RequestStream {
  readonly #connection: RequestConnection;
  readonly #isHead: boolean;
  #handler: RequestStreamHandler | undefined;
  /** The peer's final head has come. */
  #headCame: boolean;
  /** Anything of an answer has come: somebody acts on the request. */
  #isAnswered = false;
  /** Ours was sent. */
  #headSent: boolean;
  /** Bytes of the peer's body still to come, when it was said. */
  #expectedBytes: number | undefined;
  #theirTrailers: Fields | undefined;
  #ourTrailers: Fields | undefined;
  #isDiscarding = false;
  /** NO_ERROR of a server that has said everything: told after its answer was read. */
  #stopped: StreamReset | undefined;
  #sentBytes = 0;
  /** What a sweep saw: bytes sent, and since when there were no more. */
  #sweptBytes = -1;
  #sweptMs = 0;

  /** Server: `expectedBytes` of the request, and no handler yet. Client: the handler, and whether it is a HEAD. */
  constructor(
    connection: RequestConnection,
    options: {
      readonly handler: RequestStreamHandler | undefined;
      readonly expectedBytes?: number | undefined;
      readonly isHead?: boolean;
    },
  ) {
    super(connection);
    this.#connection = connection;
    this.#handler = options.handler;
    this.#expectedBytes = options.expectedBytes;
    this.#isHead = options.isHead === true;
    this.#headCame = options.handler === undefined;
    this.#headSent = options.handler !== undefined;
  }

  // RequestStream.

  sendHeaders(response: ResponseMessage, endStream: boolean): void {
    if (this.isDead || this.#headSent) return;
    this.#headSent = response.status >= 200;
    this.#connection.sendResponse(this.id, response, endStream);
    if (endStream) this.finishedAtOnce();
  }

  sendData(chunk: Buffer, endStream: boolean): boolean {
    this.#expectHead();
    return this.write(chunk, endStream);
  }

  sendLent(chunk: Buffer): boolean {
    this.#expectHead();
    return this.writeLent(chunk);
  }

  sendTrailers(trailers: Fields): void {
    // Without a field it would be a frame that says nothing but the end.
    if (trailers.size > 0) this.#ourTrailers = trailers;
    this.finish();
  }

  stopReading(): void {
    if (this.isDead || this.#isDiscarding) return;
    this.#isDiscarding = true;
    if (this.isEndSent) this.onEndSent();
    else this.resume();
  }

  setHandler(handler: RequestStreamHandler): void {
    this.#handler = handler;
  }

  // Called by the connection.

  get headCame(): boolean {
    return this.#headCame;
  }

  /** Client: an answer, interim or final. */
  receiveResponse(response: ResponseMessage, endStream: boolean): void {
    const { status, length } = response;
    this.#isAnswered = true;
    if (status >= 200) {
      this.#headCame = true;
      const hasBody = !this.#isHead && status !== NO_CONTENT && status !== NOT_MODIFIED;
      this.#expectedBytes = hasBody ? length : 0;
    }
    this.#handler?.onHeaders(response, endStream);
  }

  receiveTrailers(trailers: Fields): void {
    this.#theirTrailers = trailers;
  }

  override refuseData(payloadBytes: number): string | undefined {
    if (!this.#headCame) return "peer sent data before its answer";
    if (this.#expectedBytes === undefined) return undefined;
    this.#expectedBytes -= payloadBytes;
    return this.#expectedBytes < 0 ? "peer sent more than its content-length" : undefined;
  }

  override refuseEnd(): string | undefined {
    if (!this.#headCame) return "peer ended its message before its head";
    return (this.#expectedBytes ?? 0) > 0 ? "peer sent less than its content-length" : undefined;
  }

  override receiveReset(code: number, reason: string, byPeer: boolean): void {
    const isStop = byPeer && code === WIRE_CODE["no-error"] && this.peerEnded && !this.isDead;
    if (!isStop) {
      super.receiveReset(code, reason, byPeer);
      return;
    }
    this.#stopped = { code, detail: reason, wasRefused: false, byPeer };
    this.stopSending();
    if (this.unreadBytes === 0) this.#tellStopped();
  }

  override writeData(out: FrameBuffer, maxBytes: number): number {
    const bytes = super.writeData(out, maxBytes);
    this.#sentBytes += bytes;
    return bytes;
  }

  /** At each sweep: data waits, and none could be sent for so long. */
  isStalled(nowMs: number, limitMs: number): boolean {
    if (this.queuedBytes === 0 || this.#sentBytes !== this.#sweptBytes) {
      this.#sweptBytes = this.queuedBytes === 0 ? -1 : this.#sentBytes;
      this.#sweptMs = nowMs;
      return false;
    }
    return nowMs - this.#sweptMs >= limitMs;
  }

  // What the stream's data is for.

  protected get isReadable(): boolean {
    return this.#handler !== undefined;
  }

  protected giveData(chunk: Buffer): void {
    if (!this.#isDiscarding) this.#handler?.onData(chunk);
  }

  protected giveEnd(): void {
    if (!this.#isDiscarding) this.#handler?.onEnd(this.#theirTrailers);
    this.#tellStopped();
  }

  protected giveDrain(): void {
    this.#handler?.onDrain();
  }

  protected giveReset(code: number, detail: string, byPeer: boolean): void {
    const wasRefused = code === WIRE_CODE["refused-stream"] && !this.#isAnswered;
    this.#handler?.onReset({ code, detail, wasRefused, byPeer });
  }

  #expectHead(): void {
    // Its user may not know yet that the stream is lost: then the head was not sent either, and nothing of it matters.
    if (!this.#headSent && !this.isDead) throw new Http2Error("internal-error", "Cannot send a body before its head");
  }

  #tellStopped(): void {
    const stopped = this.#stopped;
    this.#stopped = undefined;
    if (stopped !== undefined) this.#handler?.onReset(stopped);
  }

  protected override get endsWithTrailers(): boolean {
    return this.#ourTrailers !== undefined;
  }

  protected override writeEnd(out: FrameBuffer): void {
    if (this.#ourTrailers === undefined) super.writeEnd(out);
    else writeTrailers(this.#connection, out, this.id, this.#ourTrailers);
  }

  /** RFC 9113 section 8.1: a server that needs no more of the request says so. */
  protected override onEndSent(): void {
    if (this.#isDiscarding) this.reset(WIRE_CODE["no-error"]);
  }
}
