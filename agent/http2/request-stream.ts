/**
 * What users of an HTTP/2 connection that carries requests see: the messages, the streams, the connection. Implemented by
 * `RequestConnection`; who has a pod's connection or one to an endpoint builds on these.
 *
 *   client   open(request) ----> onHeaders(1xx)* -> onHeaders(final) -> onData* -> onEnd(trailers?)
 *   server   onRequest(stream, request) returns the handler ----------> onData* -> onEnd(trailers?)
 *               \_________________ any time, once, nothing follows: onReset
 *
 * Callbacks, not events or promises. A stream never calls back from inside a method of its own; nothing follows `onReset`,
 * and nothing but a late `onReset` and `onDrain` follows `onEnd`. After a `reset` of our own no callback comes at all.
 *
 * Messages are checked (RFC 9113 sections 8.1 to 8.3) before anybody sees them. What is malformed never gets here: it is
 * answered with 400 or reset by the connection, and told to `onMalformed`.
 */
import type { Fields } from "../http/fields.ts";
import type { StreamHandler } from "../tunnel/engine.ts";
import type { Http2Error } from "./http2-error.ts";

/** A request without its body, received or to be sent. */
export interface RequestMessage {
  readonly method: string;
  /** Of an extended CONNECT (RFC 8441): what its stream carries. It has a scheme and a path. */
  readonly protocol?: string | undefined;
  /** `http` or `https`; for CONNECT empty. */
  readonly scheme: string;
  /** `:authority`, or `host` where there is none (then it is the same to everybody behind). */
  readonly authority: string;
  /** Path and query as they came, or `*`; for CONNECT empty. */
  readonly path: string;
  /**
   * The others, in order: names in lower case. Received: without `host`, `content-length`, `te` and `expect`, which have
   * their places here; crumbs of `cookie` are one field. To be sent: names are taken from `keys`, so what HTTP/1 wrote
   * as `Content-Type` may stay; connection-specific fields (RFC 9113 section 8.2.2) must have been taken out.
   */
  readonly fields: Fields;
  /** Bytes of the body, when it was said. Received: DATA is held to it. To be sent: written as `content-length`. */
  readonly length: number | undefined;
  /** `te: trailers`. */
  readonly trailersWanted: boolean;
  /** `expect: 100-continue`. */
  readonly expectsContinue: boolean;
}

/** An answer without its body, received or to be sent. */
export interface ResponseMessage {
  /** 100 to 199 (never 101): interim, the final one follows. */
  readonly status: number;
  /** As in a request. */
  readonly fields: Fields;
  readonly length: number | undefined;
}

export interface StreamReset {
  /** HTTP/2 error code (RFC 9113 section 7). NO_ERROR of a server after its whole answer: "send no more of the body". */
  readonly code: number;
  /** For logs. */
  readonly detail: string;
  /**
   * Certainly nobody has acted on the request, it may be sent again whatever it is: REFUSED_STREAM, above the last stream
   * of a GOAWAY (RFC 9113 section 8.7), or it never left us.
   */
  readonly wasRefused: boolean;
  /** The peer said so; else it is ours (malformed answer, bound, lost connection). */
  readonly byPeer: boolean;
}

export interface RequestStreamHandler {
  /** Client only: interim answers, then the final one. `endStream`: `onEnd` follows at once. */
  onHeaders(response: ResponseMessage, endStream: boolean): void;
  /** The buffer belongs to the receiver, and is never empty. */
  onData(chunk: Buffer): void;
  /** The peer's message is complete. The stream is over when ours is complete too. */
  onEnd(trailers: Fields | undefined): void;
  /** `sendData` returned false earlier and may be called again. */
  onDrain(): void;
  onReset(reset: StreamReset): void;
}

export interface RequestStream {
  /** 0 until it is on the wire. */
  readonly id: number;
  /** Server only: interim answers (status below 200), then the final one, once. */
  sendHeaders(response: ResponseMessage, endStream: boolean): void;
  /** Takes the buffer. False: wait for `onDrain` (the buffer was taken all the same). An empty buffer may end the message. */
  sendData(chunk: Buffer, endStream: boolean): boolean;
  /** The same in the middle of a message; the buffer is the caller's again. */
  sendLent(chunk: Buffer): boolean;
  /** Ends the message, after all data. Pseudo-headers and connection-specific fields must not be there. */
  sendTrailers(trailers: Fields): void;
  /** RST_STREAM; unsent data is dropped. No callback follows. */
  reset(code: number): void;
  /** Server only: what is still to come of the request is thrown away; after our END_STREAM goes RST_STREAM(NO_ERROR). */
  stopReading(): void;
  /** Stops `onData`: the peer may fill the stream's window, and gets no more credit than was read. */
  pause(): void;
  resume(): void;
  /** Taken by `sendData` and not yet handed to the transport. */
  readonly queuedBytes: number;
  /** Received and not yet given to `onData`. */
  readonly unreadBytes: number;
  /** Who is called from now on. */
  setHandler(handler: RequestStreamHandler): void;
}

/** Where bytes go. A stream of a tunnel is one, and so is a `PlainStream` over a pod's socket. */
export interface ByteTransport {
  /** Takes the buffer. False: `onDrain` follows (the buffer was taken all the same). */
  write(chunk: Buffer): boolean;
  /** Around several writes, where one call for each would cost: sockets. */
  cork?(): void;
  uncork?(): void;
  end(): void;
  reset(code: number): void;
  readonly queuedBytes: number;
}

/** `open -> draining -> closed`: draining takes no new stream, those that are there go on. */
export type ConnectionState = "open" | "draining" | "closed";

export interface ConnectionEnd {
  /** For logs. */
  readonly detail: string;
  /** The peer broke the protocol or hit a bound, and was told with GOAWAY. */
  readonly error: Http2Error | undefined;
}

export interface RequestConnectionEvents {
  /** Server only: a checked request. `endStream`: it has no body, `onEnd` follows at once. */
  onRequest(stream: RequestStream, request: RequestMessage, endStream: boolean): RequestStreamHandler;
  /** A message that is no HTTP: the stream was answered or reset, the connection goes on. For logs and counters. */
  onMalformed(error: Http2Error): void;
  /** The peer's SETTINGS came, the first or later ones. */
  onSettings(): void;
  /** `activeStreams` is smaller, or the peer allows more: look at `hasRoom` again. */
  onRoom(): void;
  /** The peer, or a lack of identifiers, allows no new stream. */
  onDraining(): void;
  /** A bound was hit; a name of `http2Limits` or `http2Timers`. For `hawser_limit_hits_total`. */
  onLimit(name: string): void;
  /** Once; all streams are over before. The transport was ended or reset. */
  onClosed(end: ConnectionEnd): void;
}

/**
 * What it is to its owner, either role. `onData`, `onEnd`, `onDrain` and `onReset` are what its transport calls: it is the
 * handler of a tunnel's stream but for `onResponse`, which is the owner's matter.
 */
export interface Http2RequestConnection extends Omit<StreamHandler, "onResponse"> {
  readonly state: ConnectionState;
  readonly isDraining: boolean;
  /** Streams that are not over on the wire. */
  readonly activeStreams: number;
  /** Client: how many the peer allows at once, at most our own bound; before it has said, 100. */
  readonly maxConcurrent: number;
  /** Client: `open` may be called. */
  readonly hasRoom: boolean;
  /** Client: the server takes extended CONNECT (RFC 8441). undefined: it has not said anything yet. */
  readonly takesExtendedConnect: boolean | undefined;
  /** Monotonic; since when there is no stream. undefined while there is one. */
  readonly idleSinceMs: number | undefined;
  /** Memory that it makes us hold: queued, unread, and unsent. */
  readonly heldBytes: number;
  /** Once. From then on it may write: before a tunnel has answered, what it writes is early data. */
  start(transport: ByteTransport): void;
  /** Client: sends a request. Throws when there is no room. */
  open(request: RequestMessage, endStream: boolean, handler: RequestStreamHandler): RequestStream;
  /**
   * No new streams; closes after the last one. Graceful (server): GOAWAY with the greatest identifier, then after a
   * round trip that with the last one taken (RFC 9113 section 6.8), so that no request on its way is lost.
   */
  goaway(graceful: boolean): void;
  /** At once: GOAWAY with the code, and the transport ends. Streams are reset with `detail`. */
  close(code: number, detail: string): void;
  /** The transport is gone. `undelivered`: nothing that was written has arrived, so all requests count as refused. */
  lost(detail: string, undelivered: boolean): void;
  /** Call it about once a second: slow heads, stalled windows, unanswered PINGs. */
  sweep(nowMs: number): void;
  /** PING; a peer that does not answer within `http2Timers.pingTimeoutMs` is lost. */
  ping(): void;
}
