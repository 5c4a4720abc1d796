/**
 * What the data plane needs from an HTTP/2 implementation that carries CONNECT streams over mutual TLS.
 *
 * Two roles, `ClientTunnel` (dials, opens streams) and `ServerTunnel` (accepts streams); one stream type for both.
 * Callbacks, not events or promises: this is the byte path. An engine calls at most one of `onEnd` / `onReset`
 * per stream direction, nothing after `onReset`, and never calls back from inside a method of its own.
 *
 *   stream (either side)
 *     open ----> onResponse(status) ----> onData* ----> onEnd          (peer's END_STREAM)
 *       \____________________\________________\______-> onReset(code)  (RST_STREAM, dead tunnel)
 */

/** HTTP/2 error codes we send or switch on (RFC 9113 section 7). */
export const ErrorCode = {
  noError: 0,
  internal: 2,
  refusedStream: 7,
  cancel: 8,
  connect: 10,
  enhanceYourCalm: 11,
} as const;

export interface StreamHandler {
  /** Client side only, once: the answer to CONNECT. */
  onResponse(status: number, reason: string | undefined): void;
  /** The receiver is through with a buffer when `onData` returns. Absent: the buffer belongs to it. */
  readonly returnsData?: boolean;
  onData(chunk: Buffer): void;
  /** The peer ended its direction in order; ours may go on. */
  onEnd(): void;
  /** `write` returned false earlier and may be called again. */
  onDrain(): void;
  /** The stream is dead in both directions. */
  onReset(code: number, reason: string): void;
}

export interface TunnelStream {
  /** Takes the buffer. False: wait for `onDrain` before the next one (the buffer was taken all the same). */
  write(chunk: Buffer): boolean;
  /** The buffer is the caller's again. False: what it comes from is to stop until `onDrain` (the bytes were taken all the same). */
  writeLent(chunk: Buffer): boolean;
  /** END_STREAM after everything written. */
  end(): void;
  /** RST_STREAM at once; unsent data is dropped. No callback follows. */
  reset(code: number): void;
  /** Stops `onData`, and with it the peer's credit. */
  pause(): void;
  resume(): void;
  /** Bytes accepted by `write` and not yet handed to the transport. */
  readonly queuedBytes: number;
  /** Bytes received and not yet given to `onData` (a paused stream's). */
  readonly unreadBytes: number;
}

export interface ConnectRequest {
  /** `ip:port` or `[ip6]:port`, the address of the application. */
  readonly authority: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** `connecting -> open -> draining -> closed`; any state may go to `closed`. Draining takes no new stream. */
export type TunnelState = "connecting" | "open" | "draining" | "closed";

export interface ClientTunnel {
  readonly state: TunnelState;
  readonly openStreams: number;
  /** How busy it is, in recently moved bytes: a new stream takes the tunnel with the least. */
  readonly load: number;
  /** How many streams it may carry at once. */
  readonly maxStreams: number;
  /** Only in state `open`. */
  openStream(request: ConnectRequest, handler: StreamHandler): TunnelStream;
  /** No new streams; closes when the last one ends. */
  drain(): void;
  destroy(reason: string): void;
}

export interface IncomingStream {
  readonly method: string;
  readonly request: ConnectRequest;
  /** Answers 200 and gives the stream; early data is held until then. */
  accept(headers: Readonly<Record<string, string>>, handler: StreamHandler): TunnelStream;
  /** Answers with an error status and END_STREAM; data that came is dropped. */
  refuse(status: number, headers: Readonly<Record<string, string>>): void;
  /** RST_STREAM without an answer. */
  reset(code: number): void;
  /** Calls back when the peer gives up before `accept` or `refuse`. */
  onAbort(callback: () => void): void;
}

/** The accepting end of a tunnel: one verified peer, one local pod. */
export interface ServerTunnel {
  /** SPIFFE ID the peer proved. */
  readonly peerIdentity: string;
  /** Address the tunnel comes from. */
  readonly peerAddress: string;
  /** Address that was dialled: a local pod. */
  readonly podAddress: string;
  /** SPIFFE ID that was proved to the peer: that pod's, when the tunnel was opened. */
  readonly podIdentity: string;
  readonly openStreams: number;
  /** GOAWAY; closes when the last stream ends. */
  drain(): void;
  destroy(reason: string): void;
}
