/**
 * A connection to a Redis server: commands in, replies out, in order (RESP2, as much of it as SET and GET need: simple
 * strings, errors, integers, bulk strings).
 */
import { connect, type Socket } from "node:net";
import { HawserError } from "../../core/errors.ts";

/** Null is Redis' "no such key". */
export type RespReply = string | number | null;

/** A reply and the bytes it took, or undefined when its end has not come yet. */
export interface RespReading {
  readonly reply: RespReply | HawserError;
  readonly bytes: number;
}

const CRLF = "\r\n";

export class RespConnection {
  readonly socket: Socket;
  readonly #waiting: { resolve(reply: RespReply): void; reject(error: Error): void }[] = [];
  #received: Buffer = Buffer.alloc(0);

  constructor(to: { host: string; port: number; family: number }, timeoutMs: number) {
    this.socket = connect({ ...to, autoSelectFamily: false, noDelay: true });
    this.socket.setTimeout(timeoutMs, () => {
      this.socket.destroy(new HawserError("call-timeout", `Nothing received for ${timeoutMs} ms`));
    });
    this.socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.socket.on("error", (error) => this.#end(error));
    this.socket.on("close", () => this.#end(new HawserError("connection-closed", "Connection closed by the server")));
  }

  command(...words: readonly string[]): Promise<RespReply> {
    const { promise, resolve, reject } = Promise.withResolvers<RespReply>();
    if (this.socket.destroyed) {
      reject(new HawserError("connection-closed", "Connection was closed before"));
      return promise;
    }
    this.#waiting.push({ resolve, reject });
    this.socket.write(encodeCommand(words));
    return promise;
  }

  close(): void {
    this.socket.end();
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (let reading = readReply(this.#received); reading !== undefined; reading = readReply(this.#received)) {
      this.#received = this.#received.subarray(reading.bytes);
      const waiting = this.#waiting.shift();
      if (reading.reply instanceof HawserError) waiting?.reject(reading.reply);
      else waiting?.resolve(reading.reply);
    }
  }

  #end(error: Error): void {
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}

export function encodeCommand(words: readonly string[]): string {
  const bulk = words.map((word) => `$${Buffer.byteLength(word)}${CRLF}${word}${CRLF}`);
  return `*${words.length}${CRLF}${bulk.join("")}`;
}

/** The reply at the beginning of `bytes`. */
export function readReply(bytes: Buffer): RespReading | undefined {
  const lineEnd = bytes.indexOf(CRLF);
  if (lineEnd === -1) return undefined;
  const text = bytes.toString("utf8", 1, lineEnd);
  const afterLine = lineEnd + CRLF.length;
  switch (bytes.toString("latin1", 0, 1)) {
    case "+":
      return { reply: text, bytes: afterLine };
    case "-":
      return { reply: new HawserError("redis-error", text), bytes: afterLine };
    case ":":
      return { reply: Number(text), bytes: afterLine };
    case "$":
      return readBulk(bytes, Number(text), afterLine);
    default:
      return { reply: new HawserError("redis-error", "Reply is not RESP"), bytes: bytes.length };
  }
}

function readBulk(bytes: Buffer, length: number, start: number): RespReading | undefined {
  if (length === -1) return { reply: null, bytes: start };
  const end = start + length + CRLF.length;
  if (bytes.length < end) return undefined;
  return { reply: bytes.toString("utf8", start, start + length), bytes: end };
}
