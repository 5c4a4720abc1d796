/**
 * Every bound and timer of HTTP/2 connections that carry requests, each with its reason. What hits one is counted in
 * `hawser_limit_hits_total{limit="<name>"}`.
 */
import type { Http2Bounds } from "./http2-bounds.ts";

export const http2Limits = {
  /** As Envoy and nginx have it, about; a client with more calls at once opens another connection. */
  streams: 128,
  /** No peer should have less (RFC 9113 section 6.5.2); one that has refuses the rest, and they are sent again. */
  streamsBeforeSettings: 100,
  /** What one reader that stopped can make us hold; 4 Gbit/s at half a millisecond need 256 KiB. */
  streamWindowBytes: 256 * 1024,
  /** 16 streams at full window. */
  connectionWindowBytes: 4 * 1024 * 1024,
  /** A quarter of the headers of frames for bulk, and still no more than one flush of most peers. */
  maxFrameBytes: 64 * 1024,
  /** A HEADERS frame can be as large as a frame may be. */
  controlFrameBytes: 64 * 1024,
  /** As `httpLimits.headBytes`: large ones are cookies and tokens. */
  headerListBytes: 64 * 1024,
  /** Nothing honest is larger encoded than decoded. */
  headerBlockBytes: 64 * 1024,
  /** 64 KiB in the smallest frames that a peer must take would be 4; some cut smaller. */
  continuationFrames: 16,
  /** The protocol's default. */
  headerTableBytes: 4_096,
  /** What one application sends of different names is some dozens. */
  encodedNames: 256,
  /** gRPC clients send a PING per burst of data to measure, and the same in WINDOW_UPDATEs. */
  controlFrameBurst: 1_000,
  controlFramesPerSecond: 200,
  /** Legal, and useful to nobody. */
  emptyFrameBurst: 1_000,
  emptyFramesPerSecond: 100,
  /** Clients cancel calls (deadlines, hedging): some hundreds at once are honest, a steady stream of them is not. */
  resetBurst: 1_000,
  resetsPerSecond: 200,
  /** Beside those for what was sent: one for each stream and change. */
  creditFrameBurst: 1_000,
  creditFramesPerSecond: 200,
  /** 1,000 answers of the largest size that we make by ourselves, and a flood of PINGs, stay below. */
  unsentControlBytes: 1024 * 1024,
  /** All streams; beyond it the connection gives no credit until something was read. */
  unreadBytes: 16 * 1024 * 1024,
  /** Larger writes cost less per byte and make small calls behind them wait longer. */
  flushBytes: 256 * 1024,
  earlyFlushBytes: 64 * 1024,
  dataFrameBytes: 64 * 1024,
  queueHighBytes: 256 * 1024,
  queueLowBytes: 128 * 1024,
  queuedBytes: 8 * 1024 * 1024,
  idleBufferBytes: 1_024,
} as const satisfies Http2Bounds;

export type Http2LimitName = keyof typeof http2Limits | keyof typeof http2Timers;

export const http2Timers = {
  /** From a header block's first frame to its last, and from the connection's start to SETTINGS: honest peers need none. */
  slowHeadMs: 10_000,
  /** Data waits and the peer gives no window, or its network takes nothing: as long as a slow body may take. */
  windowStallMs: 60_000,
  /** Silence after a PING that means the peer is gone. */
  pingTimeoutMs: 20_000,
  /** From the first GOAWAY of a graceful end to the second, when the PING between them is not answered. */
  goawayGraceMs: 1_000,
  /** A client that was told to go, and has all its answers, gets this long to close by itself; Go's server waits as long. */
  closeGraceMs: 1_000,
  /** After GOAWAY and the transport's end the peer gets this long to read and to close. */
  lingerMs: 2_000,
} as const;
