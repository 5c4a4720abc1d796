/**
 * Bounds of tunnels over our own HTTP/2, each with its reason. Those that are shared with any other engine (windows,
 * streams per tunnel, rate of resets) are in agent/limits.ts.
 */
import type { Http2Bounds } from "../../http2/http2-bounds.ts";
import { limits } from "../../limits.ts";

export const framingLimits = {
  streams: limits.streamsPerTunnel,
  /** No peer should have less (RFC 9113 section 6.5.2). */
  streamsBeforeSettings: 100,
  streamWindowBytes: limits.streamWindowBytes,
  connectionWindowBytes: limits.tunnelWindowBytes,
  /** What ztunnel sends. It costs no memory, DATA is passed on in slices as it comes. */
  maxFrameBytes: 1024 * 1024,
  /** What real peers send stays below 1 KiB. */
  controlFrameBytes: 16 * 1024,
  /** A CONNECT has about 600. */
  headerListBytes: 16 * 1024,
  /** Nothing honest is larger encoded than decoded. */
  headerBlockBytes: 20 * 1024,
  continuationFrames: 16,
  /** The protocol's default: peers that index make their requests a tenth of the size. */
  headerTableBytes: 4_096,
  /** A handful is ever used. */
  encodedNames: 32,
  /** Peers send one or two in ten seconds. */
  controlFrameBurst: 1_000,
  controlFramesPerSecond: 100,
  /** Legal, and useful to nobody. */
  emptyFrameBurst: 1_000,
  emptyFramesPerSecond: 100,
  resetBurst: limits.streamResetBurst,
  resetsPerSecond: limits.streamResetsPerSecond,
  /** Beside those for what was sent: one per stream and SETTINGS, at most. */
  creditFrameBurst: 10_000,
  creditFramesPerSecond: 1_000,
  /** 1,000 requests, and a flood of PINGs, stay below. */
  unsentControlBytes: 1024 * 1024,
  /** What bounds the sum of 1,000 full windows. */
  unreadBytes: 256 * 1024 * 1024,
  /** Larger writes cost less per byte and make small calls behind them wait longer. */
  flushBytes: 256 * 1024,
  earlyFlushBytes: 64 * 1024,
  dataFrameBytes: 64 * 1024,
  queueHighBytes: 256 * 1024,
  queueLowBytes: 128 * 1024,
  /** Each stream by its own bound, and all of a worker by `limits.stalledBytesPerWorker`. */
  queuedBytes: Number.POSITIVE_INFINITY,
  idleBufferBytes: 1_024,
  /** After an error the peer gets this long to read our GOAWAY. */
  lingerMs: 1_000,
} as const satisfies Http2Bounds & { readonly lingerMs: number };
