/**
 * HTTP/2 on the wire (RFC 9113 sections 4, 6 and 7): numbers only.
 *
 *   | length 24 | type 8 | flags 8 | 0 stream 31 | payload ... |
 */
export const FRAME_HEADER_BYTES = 9;

/** What a client sends first (section 3.4). */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const SettingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  /** RFC 8441 section 3. */
  enableConnectProtocol: 8,
} as const;

/** Windows before anything was agreed (section 6.9.2). */
export const DEFAULT_WINDOW_BYTES = 65_535;
/** A window never exceeds this (section 6.9.1). */
export const MAX_WINDOW_BYTES = 2 ** 31 - 1;
/** SETTINGS_MAX_FRAME_SIZE starts here and may be raised (section 6.5.2). */
export const DEFAULT_FRAME_BYTES = 16_384;
export const MAX_FRAME_BYTES = 2 ** 24 - 1;
/** The last stream identifier that a connection can use. */
export const MAX_STREAM_ID = 2 ** 31 - 1;
