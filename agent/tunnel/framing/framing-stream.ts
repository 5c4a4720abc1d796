/**
 * One CONNECT stream, either role. Data that comes before the answer waits: an incoming stream has no handler until it is
 * accepted, and a client's server must not send any.
 */
import { Http2Stream } from "../../http2/http2-stream.ts";
import { ErrorCode, type StreamHandler, type TunnelStream } from "../engine.ts";
import type { Connection } from "./connection.ts";
import type { Headers } from "./write-connect.ts";

export class FramingStream extends Http2Stream implements TunnelStream {
  readonly #connection: Connection;
  #handler: StreamHandler | undefined;
  #onAbort: (() => void)[] | undefined;
  /** Client: the answer has come. Server: accepted. */
  #isAnswered = false;

  /** `handler` is absent for an incoming stream. */
  constructor(connection: Connection, handler: StreamHandler | undefined) {
    super(connection);
    this.#connection = connection;
    this.#handler = handler;
  }

  end(): void {
    this.finish();
  }

  // Answering an incoming stream.

  accept(headers: Headers, handler: StreamHandler): void {
    this.#handler = handler;
    if (this.isDead) this.loseSoon(ErrorCode.cancel, "stream was reset before it was accepted", true);
    else {
      this.#isAnswered = true;
      this.#connection.sendResponse(this.id, 200, headers, false);
    }
    this.giveSoon();
  }

  refuse(status: number, headers: Headers): void {
    if (this.isDead) return;
    this.#connection.sendResponse(this.id, status, headers, true);
    // The client's direction may still be open: RFC 9113 section 8.1 lets a server reset it with NO_ERROR.
    if (this.peerEnded) this.dieInOrder();
    else this.reset(ErrorCode.noError);
  }

  onAbort(callback: () => void): void {
    this.#onAbort ??= [];
    this.#onAbort.push(callback);
  }

  // Called by the connection.

  /** The answer to a client's CONNECT. */
  receiveResponse(status: number, reason: string | undefined): void {
    this.#isAnswered = true;
    this.#handler?.onResponse(status, reason);
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  override refuseData(): string | undefined {
    return this.#isAnswered || this.#handler === undefined ? undefined : "peer sent data before its answer";
  }

  // What the stream's data is for.

  protected get isReadable(): boolean {
    return this.#isAnswered;
  }

  /** The connection reads into the same buffer again. */
  protected override get isLent(): boolean {
    return true;
  }

  protected giveData(chunk: Buffer, isLent: boolean): void {
    const handler = this.#handler;
    if (handler === undefined) return;
    handler.onData(isLent && handler.returnsData !== true ? Buffer.from(chunk) : chunk);
  }

  protected giveEnd(): void {
    this.#handler?.onEnd();
  }

  protected giveDrain(): void {
    this.#handler?.onDrain();
  }

  protected giveReset(code: number, reason: string): void {
    // NO_ERROR: "stop sending". For a byte stream that is an abort all the same.
    if (this.#handler !== undefined)
      this.#handler.onReset(code === ErrorCode.noError ? ErrorCode.cancel : code, reason);
    else for (const callback of this.#onAbort ?? []) callback();
  }
}
