/**
 * The bounds of one HTTP/2 connection. What it carries says how large they are: tunnels
 * (agent/tunnel/framing/limits.ts) and requests (limits.ts) have their own values, with the reasons.
 */
export interface Http2Bounds {
  /** Streams at once; a server advertises it as SETTINGS_MAX_CONCURRENT_STREAMS. */
  readonly streams: number;
  /** Streams opened before the peer has told its maximum. */
  readonly streamsBeforeSettings: number;
  /**
   * Receive window of a stream: what one reader that stopped can make us hold. At least 65,535, which a peer may send before it
   * knows ours.
   */
  readonly streamWindowBytes: number;
  /** Receive window of the connection. */
  readonly connectionWindowBytes: number;
  /** Largest frame we take, advertised as SETTINGS_MAX_FRAME_SIZE. DATA is passed on in slices as it comes. */
  readonly maxFrameBytes: number;
  /** Any other frame is assembled in memory. */
  readonly controlFrameBytes: number;
  /** Names and values of one message with 32 bytes each (RFC 9113 section 6.5.2). */
  readonly headerListBytes: number;
  /** The same as it is on the wire, CONTINUATION frames included. */
  readonly headerBlockBytes: number;
  /** CONTINUATION frames of one message (CVE-2024-27316). */
  readonly continuationFrames: number;
  /** HPACK's dynamic table of what the peer sends. */
  readonly headerTableBytes: number;
  /** Names whose encoded form is remembered. */
  readonly encodedNames: number;
  /** PING, SETTINGS, PRIORITY, interim answers, and frames of unknown types. */
  readonly controlFrameBurst: number;
  readonly controlFramesPerSecond: number;
  /** DATA frames without a byte that do not end their stream. */
  readonly emptyFrameBurst: number;
  readonly emptyFramesPerSecond: number;
  /** Streams that the peer resets (CVE-2023-44487), or makes us reset (CVE-2025-8671). */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  /** WINDOW_UPDATE frames, beside as many as there are bytes that they could be for. */
  readonly creditFrameBurst: number;
  readonly creditFramesPerSecond: number;
  /** Answers and requests waiting for a peer that does not read. */
  readonly unsentControlBytes: number;
  /** Received and not yet read, all streams. */
  readonly unreadBytes: number;
  /** Handed to the transport at once. */
  readonly flushBytes: number;
  /** Queued during one turn of the event loop that is sent without waiting for its end. */
  readonly earlyFlushBytes: number;
  /** Payload of one DATA frame; after it another stream has its turn. */
  readonly dataFrameBytes: number;
  /** Queued on one stream before its writer is told to stop, and when it may go on. */
  readonly queueHighBytes: number;
  readonly queueLowBytes: number;
  /** The same of all streams: beyond it each may have one buffer under way. */
  readonly queuedBytes: number;
  /** What is kept of an output buffer when there is nothing to write. */
  readonly idleBufferBytes: number;
}
