/** Everything that a parser made of some bytes, as plain data that tests can compare. */
import type { Fields } from "../../agent/http/fields.ts";
import { H1Error } from "../../agent/http/h1/h1-error.ts";
import {
  createRequestParser,
  createResponseParser,
  type MessageParser,
  type MessageSink,
} from "../../agent/http/h1/message-parser.ts";
import type { H1RequestHead } from "../../agent/http/h1/request-head.ts";
import type { H1ResponseHead } from "../../agent/http/h1/response-head.ts";

export interface ParsedMessage<Head> {
  readonly head: Head;
  readonly body: Buffer;
  readonly trailers: readonly string[] | undefined;
}

export interface Parsed<Head> {
  readonly messages: readonly ParsedMessage<Head>[];
  /** A message that began and did not end. */
  readonly isMidMessage: boolean;
  /** What was passed on of it, when its head was. */
  readonly partial: { readonly head: Head; readonly body: Buffer } | undefined;
  /** Code of the error that ended it. */
  readonly error: string | undefined;
}

/** `cuts`: positions at which the bytes come apart. Each message is read as soon as the one before it is complete. */
export function parseRequests(bytes: Buffer, cuts: readonly number[] = []): Parsed<H1RequestHead> {
  return parseAll<H1RequestHead>((sink) => createRequestParser(sink), piecesOf(bytes, cuts), false);
}

export interface ResponseOptions {
  /** Of the request that is answered. */
  readonly method?: string;
  readonly cuts?: readonly number[];
  /** The peer closes after the last byte. */
  readonly closed?: boolean;
}

export function parseResponses(bytes: Buffer, options: ResponseOptions = {}): Parsed<H1ResponseHead> {
  const { method = "GET", cuts = [], closed = false } = options;
  return parseAll<H1ResponseHead>((sink) => createResponseParser(sink, () => method), piecesOf(bytes, cuts), closed);
}

/** `name: value` each. */
export function fieldTexts({ names, values }: Fields): string[] {
  return names.map((name, index) => `${name}: ${values[index]}`);
}

export function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function parseAll<Head extends { readonly isInterim: boolean }>(
  create: (sink: MessageSink<Head>) => Pick<MessageParser<never>, "read" | "finish" | "isMidMessage">,
  pieces: readonly Buffer[],
  closed: boolean,
): Parsed<Head> {
  const messages: ParsedMessage<Head>[] = [];
  let head: Head | undefined;
  let body: Buffer[] = [];
  const parser = create({
    onHead(next) {
      // Which of them came whole, and so can be known again, is no part of what they mean.
      const plain = { ...next, repeats: undefined };
      if (next.isInterim) messages.push({ head: plain, body: Buffer.alloc(0), trailers: undefined });
      else head = plain;
    },
    onBody: (content) => body.push(content),
    onEnd(trailers) {
      if (head === undefined) throw new Error("A message ends that has no head");
      messages.push({ head, body: Buffer.concat(body), trailers: trailers && fieldTexts(trailers) });
      head = undefined;
      body = [];
    },
  });
  const parsed = (error: string | undefined): Parsed<Head> => {
    const partial = head === undefined ? undefined : { head, body: Buffer.concat(body) };
    return { messages, isMidMessage: parser.isMidMessage, partial, error };
  };
  try {
    for (const piece of pieces) {
      let at = 0;
      while (at < piece.length) at = parser.read(piece, at);
    }
    if (closed) parser.finish();
    return parsed(undefined);
  } catch (error) {
    if (!(error instanceof H1Error)) throw error;
    return parsed(error.code);
  }
}

function piecesOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  const pieces: Buffer[] = [];
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    if (end > from) pieces.push(bytes.subarray(from, end));
    from = end;
  }
  return pieces;
}
