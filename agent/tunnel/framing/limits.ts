/**
 * Bounds of our own HTTP/2 framing, each with its reason. Those that it shares with any other engine (windows, streams
 * per tunnel, rate of resets) are in agent/limits.ts.
 */
export const framingLimits = {
  /** Largest frame we take: what ztunnel sends. It costs no memory, DATA is passed on in slices as it comes. */
  maxFrameBytes: 1024 * 1024,
  /** Any other frame is assembled in memory; what real peers send stays below 1 KiB. */
  controlFrameBytes: 16 * 1024,
  /** Names and values of one message with 32 bytes each (RFC 9113 section 6.5.2): a CONNECT has about 600. */
  headerListBytes: 16 * 1024,
  /** The same as it is on the wire, CONTINUATION frames included: nothing honest is larger encoded than decoded. */
  headerBlockBytes: 20 * 1024,
  /** CONTINUATION frames of one message (CVE-2024-27316). */
  continuationFrames: 16,
  /** HPACK's dynamic table, the protocol's default: peers that index make their requests a tenth of the size. */
  headerTableBytes: 4_096,
  /** Names whose encoded form is remembered: a handful is ever used. */
  encodedNames: 32,
  /** PING, SETTINGS, and frames that mean nothing to us, in a burst: peers send one or two in ten seconds. */
  controlFrameBurst: 1_000,
  controlFramesPerSecond: 100,
  /** DATA frames without a byte that do not end their stream: legal, and useful to nobody. */
  emptyFrameBurst: 1_000,
  emptyFramesPerSecond: 100,
  /** Streams opened before the peer has told its maximum: no peer should have less (RFC 9113 section 6.5.2). */
  streamsBeforeSettings: 100,
  /** Answers and requests waiting for a peer that does not read: 1,000 of them, and a flood of PINGs, stay below. */
  unsentControlBytes: 1024 * 1024,
  /** Unread data of one tunnel, all streams: what bounds the sum of 1,000 full windows. */
  unreadBytesPerTunnel: 256 * 1024 * 1024,
  /** Handed to TLS at once: larger writes cost less per byte and make small calls behind them wait longer. */
  flushBytes: 256 * 1024,
  /** Queued during one turn of the event loop that is sent without waiting for its end. */
  earlyFlushBytes: 64 * 1024,
  /** Payload of one DATA frame; after it another stream has its turn. */
  dataFrameBytes: 64 * 1024,
  /** Queued on one stream before `write` says stop, and when it says go on. */
  queueHighBytes: 256 * 1024,
  queueLowBytes: 128 * 1024,
  /** What a tunnel keeps of its output buffers when it has been idle. */
  idleBufferBytes: 1_024,
  /** After an error the peer gets this long to read our GOAWAY. */
  lingerMs: 1_000,
} as const;
