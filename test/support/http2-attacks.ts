/**
 * Attacks on an HTTP/2 server, as frames after its client's SETTINGS, and what must come of each: the code of a GOAWAY, the
 * code of stream 1's RST_STREAM, or the bound that is hit. Each names the rule or the CVE that it is about.
 */
import { http2Limits } from "../../agent/http2/limits.ts";
import { GET, POST, requestFrame } from "./request-pair.ts";
import { block, frame, setting, uint32 } from "./wire-frames.ts";

export interface Attack {
  readonly frames: readonly Buffer[];
  /** The connection ends with this code ... */
  readonly goaway?: number;
  /** ... or stream 1 alone does, and the next one is served. */
  readonly reset?: number;
  readonly limit?: string;
}

const PROTOCOL_ERROR = 1;
const FLOW_CONTROL_ERROR = 3;
const STREAM_CLOSED = 5;
const FRAME_SIZE_ERROR = 6;
const COMPRESSION_ERROR = 9;
const ENHANCE_YOUR_CALM = 11;

function many(count: number, make: (index: number) => Buffer): Buffer[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** A header block whose dynamic table entry of 4,000 bytes is named again and again. */
const hpackBomb = Buffer.concat([
  block(GET),
  Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]),
  Buffer.alloc(4_000, "x"),
  Buffer.alloc(10_000, 0xbe),
]);
const openPost = requestFrame(1, POST, false);

export const ATTACKS: Readonly<Record<string, Attack>> = {
  // Floods: what costs the sender less than us.
  "rapid reset (CVE-2023-44487)": {
    frames: many(2_000, (index) => Buffer.concat([requestFrame(2 * index + 1), frame(3, 0, 2 * index + 1, uint32(8))])),
    goaway: ENHANCE_YOUR_CALM,
    limit: "resetBurst",
  },
  "resets that we are made to send, by credit (CVE-2025-8671)": {
    frames: many(2_000, (index) =>
      Buffer.concat([requestFrame(2 * index + 1), frame(8, 0, 2 * index + 1, uint32(2 ** 31 - 1))]),
    ),
    goaway: ENHANCE_YOUR_CALM,
    limit: "resetBurst",
  },
  "resets that we are made to send, by data after the end (CVE-2025-8671)": {
    frames: many(2_000, (index) => Buffer.concat([requestFrame(2 * index + 1), frame(0, 0, 2 * index + 1, "x")])),
    goaway: ENHANCE_YOUR_CALM,
    limit: "resetBurst",
  },
  "resets that we are made to send, by malformed requests": {
    frames: many(2_000, (index) => requestFrame(2 * index + 1, { ":method": "GET" })),
    goaway: ENHANCE_YOUR_CALM,
    limit: "resetBurst",
  },
  "streams beyond their number, again and again": {
    frames: many(3_000, (index) => requestFrame(2 * index + 1)),
    goaway: ENHANCE_YOUR_CALM,
    limit: "resetBurst",
  },
  "PING (CVE-2019-9512)": {
    frames: many(3_000, () => frame(6, 0, 0, "12345678")),
    goaway: ENHANCE_YOUR_CALM,
    limit: "controlFrameBurst",
  },
  "SETTINGS (CVE-2019-9515)": {
    frames: many(3_000, () => frame(4, 0, 0)),
    goaway: ENHANCE_YOUR_CALM,
    limit: "controlFrameBurst",
  },
  "acknowledgements of SETTINGS": {
    frames: many(3_000, () => frame(4, 1, 0)),
    goaway: ENHANCE_YOUR_CALM,
    limit: "controlFrameBurst",
  },
  "PRIORITY (CVE-2019-9513)": {
    frames: many(3_000, () => frame(2, 0, 1, Buffer.alloc(5))),
    goaway: ENHANCE_YOUR_CALM,
    limit: "controlFrameBurst",
  },
  "frames of unknown types": {
    frames: many(3_000, () => frame(77, 0, 1, "x")),
    goaway: ENHANCE_YOUR_CALM,
    limit: "controlFrameBurst",
  },
  "empty DATA (CVE-2019-9518)": {
    frames: [openPost, ...many(3_000, () => frame(0, 0, 1))],
    goaway: ENHANCE_YOUR_CALM,
    limit: "emptyFrameBurst",
  },
  "DATA that is padding alone": {
    frames: [openPost, ...many(3_000, () => frame(0, 8, 1, "\x03\0\0\0"))],
    goaway: ENHANCE_YOUR_CALM,
    limit: "emptyFrameBurst",
  },
  "WINDOW_UPDATE of the connection": {
    frames: many(3_000, () => frame(8, 0, 0, uint32(1))),
    goaway: ENHANCE_YOUR_CALM,
    limit: "creditFrameBurst",
  },
  "WINDOW_UPDATE of a stream": {
    frames: [openPost, ...many(3_000, () => frame(8, 0, 1, uint32(1)))],
    goaway: ENHANCE_YOUR_CALM,
    limit: "creditFrameBurst",
  },
  "CONTINUATION without end, in frames (CVE-2024-27316)": {
    frames: [frame(1, 1, 1, block(GET)), ...many(100, () => frame(9, 0, 1, block({ x: "y" })))],
    goaway: ENHANCE_YOUR_CALM,
    limit: "continuationFrames",
  },
  "CONTINUATION without end, in empty frames (CVE-2019-9518)": {
    frames: [frame(1, 1, 1, block(GET)), ...many(100, () => frame(9, 0, 1))],
    goaway: ENHANCE_YOUR_CALM,
    limit: "continuationFrames",
  },
  "CONTINUATION without end, in bytes": {
    frames: [frame(1, 1, 1, block(GET)), ...many(10, () => frame(9, 0, 1, block({ x: "y".repeat(16_000) })))],
    goaway: ENHANCE_YOUR_CALM,
    limit: "headerBlockBytes",
  },
  "an HPACK bomb (CVE-2016-6581)": {
    frames: [frame(1, 5, 1, hpackBomb)],
    reset: ENHANCE_YOUR_CALM,
    limit: "headerListBytes",
  },
  "many fields without a byte (CVE-2019-9516)": {
    frames: [
      frame(1, 5, 1, Buffer.concat([block(GET), Buffer.concat(many(3_000, () => Buffer.from([0, 1, 0x61, 0])))])),
    ],
    reset: ENHANCE_YOUR_CALM,
    limit: "headerListBytes",
  },
  "a trailer section that is too large": {
    frames: [openPost, frame(1, 5, 1, Buffer.concat(many(3_000, () => Buffer.from([0, 1, 0x61, 0]))))],
    reset: ENHANCE_YOUR_CALM,
    limit: "headerListBytes",
  },

  // Flow control.
  "a window above 2^31-1": { frames: [frame(8, 0, 0, uint32(2 ** 31 - 1))], goaway: FLOW_CONTROL_ERROR },
  "a stream's window above 2^31-1": {
    frames: [openPost, frame(8, 0, 1, uint32(2 ** 31 - 1))],
    reset: FLOW_CONTROL_ERROR,
  },
  "a credit of 0": { frames: [openPost, frame(8, 0, 1, uint32(0))], reset: PROTOCOL_ERROR },
  "a credit of 0 for the connection": { frames: [frame(8, 0, 0, uint32(0))], goaway: PROTOCOL_ERROR },
  "an initial window above 2^31-1": { frames: [frame(4, 0, 0, setting(4, 2 ** 31))], goaway: FLOW_CONTROL_ERROR },

  // Frames in the wrong place, of the wrong size.
  "DATA for a stream that was not opened": { frames: [frame(0, 1, 1, "x")], goaway: PROTOCOL_ERROR },
  "DATA for the connection": { frames: [frame(0, 1, 0, "x")], goaway: PROTOCOL_ERROR },
  "DATA after the end": { frames: [requestFrame(1), frame(0, 0, 1, "x")], reset: STREAM_CLOSED },
  "HEADERS after the end": { frames: [requestFrame(1), requestFrame(1)], reset: STREAM_CLOSED },
  "DATA after a reset of its own": {
    frames: [openPost, frame(3, 0, 1, uint32(8)), frame(0, 0, 1, "x")],
    reset: STREAM_CLOSED,
  },
  "HEADERS after a reset of its own": {
    frames: [openPost, frame(3, 0, 1, uint32(8)), requestFrame(1)],
    goaway: STREAM_CLOSED,
  },
  "HEADERS of an identifier that was passed over": {
    frames: [requestFrame(5), requestFrame(3)],
    goaway: STREAM_CLOSED,
  },
  "HEADERS for the connection": { frames: [requestFrame(0)], goaway: PROTOCOL_ERROR },
  "HEADERS of an even stream": { frames: [requestFrame(2)], goaway: PROTOCOL_ERROR },
  "RST_STREAM of a stream that was not opened": { frames: [frame(3, 0, 1, uint32(8))], goaway: PROTOCOL_ERROR },
  "RST_STREAM of a wrong size": { frames: [openPost, frame(3, 0, 1, "x")], goaway: FRAME_SIZE_ERROR },
  "WINDOW_UPDATE of a wrong size": { frames: [frame(8, 0, 0, "x")], goaway: FRAME_SIZE_ERROR },
  "PING of a wrong size": { frames: [frame(6, 0, 0, "1234")], goaway: FRAME_SIZE_ERROR },
  "PING for a stream": { frames: [frame(6, 0, 1, "12345678")], goaway: PROTOCOL_ERROR },
  "SETTINGS of a wrong size": { frames: [frame(4, 0, 0, "12345")], goaway: FRAME_SIZE_ERROR },
  "SETTINGS for a stream": { frames: [frame(4, 0, 1)], goaway: PROTOCOL_ERROR },
  "SETTINGS with a frame size that is too small": { frames: [frame(4, 0, 0, setting(5, 100))], goaway: PROTOCOL_ERROR },
  "SETTINGS that push 2": { frames: [frame(4, 0, 0, setting(2, 2))], goaway: PROTOCOL_ERROR },
  "an acknowledgement of SETTINGS that says something": {
    frames: [frame(4, 1, 0, setting(4, 1))],
    goaway: FRAME_SIZE_ERROR,
  },
  "PRIORITY of a wrong size": { frames: [frame(2, 0, 1, "x")], goaway: FRAME_SIZE_ERROR },
  "PRIORITY for the connection": { frames: [frame(2, 0, 0, Buffer.alloc(5))], goaway: PROTOCOL_ERROR },
  "PUSH_PROMISE of a client": { frames: [frame(5, 4, 1, uint32(2))], goaway: PROTOCOL_ERROR },
  "GOAWAY of a wrong size": { frames: [frame(7, 0, 0, "x")], goaway: FRAME_SIZE_ERROR },
  "GOAWAY for a stream": { frames: [frame(7, 0, 1, uint32(0, 0))], goaway: PROTOCOL_ERROR },
  "CONTINUATION without HEADERS": { frames: [frame(9, 4, 1, block(GET))], goaway: PROTOCOL_ERROR },
  "CONTINUATION of another stream": {
    frames: [frame(1, 1, 1, block(GET)), frame(9, 4, 3, block({ x: "y" }))],
    goaway: PROTOCOL_ERROR,
  },
  "a header block that is interrupted": {
    frames: [frame(1, 1, 1, block(GET)), frame(6, 0, 0, "12345678")],
    goaway: PROTOCOL_ERROR,
  },
  "a frame larger than allowed": {
    frames: [openPost, frame(0, 0, 1, Buffer.alloc(http2Limits.maxFrameBytes + 1))],
    goaway: FRAME_SIZE_ERROR,
  },
  "more padding than bytes": { frames: [openPost, frame(0, 8, 1, "\x05x")], goaway: PROTOCOL_ERROR },
  "HEADERS with more padding than bytes": { frames: [frame(1, 13, 1, "\x05x")], goaway: PROTOCOL_ERROR },
  "a header block that is none": { frames: [frame(1, 5, 1, Buffer.from([0x80]))], goaway: COMPRESSION_ERROR },
  "a table larger than agreed": {
    frames: [frame(1, 5, 1, Buffer.from([0x3f, 0xe2, 0x1f]))],
    goaway: COMPRESSION_ERROR,
  },

  // Messages: what another reader could understand differently.
  "less than content-length": {
    frames: [requestFrame(1, { ...POST, "content-length": "5" }, false), frame(0, 1, 1, "1234")],
    reset: PROTOCOL_ERROR,
  },
  "more than content-length": {
    frames: [requestFrame(1, { ...POST, "content-length": "3" }, false), frame(0, 0, 1, "1234")],
    reset: PROTOCOL_ERROR,
  },
  "less than content-length, with trailers": {
    frames: [
      requestFrame(1, { ...POST, "content-length": "5" }, false),
      frame(0, 0, 1, "1234"),
      frame(1, 5, 1, block({ t: "1" })),
    ],
    reset: PROTOCOL_ERROR,
  },
  "headers in the middle of a body": { frames: [openPost, frame(1, 4, 1, block({ x: "y" }))], reset: PROTOCOL_ERROR },
  "trailers with a pseudo-header": {
    frames: [openPost, frame(1, 5, 1, block({ ":path": "/" }))],
    reset: PROTOCOL_ERROR,
  },
  "a request within a request (LF in a value)": {
    frames: [requestFrame(1, { ...GET, x: "a\r\n\r\nGET /admin HTTP/1.1" })],
    reset: PROTOCOL_ERROR,
  },
  "a request within a request (LF in a path)": {
    frames: [requestFrame(1, { ...GET, ":path": "/ HTTP/1.1\r\nhost: other\r\n\r\n" })],
    reset: PROTOCOL_ERROR,
  },
  "transfer-encoding": {
    frames: [requestFrame(1, { ...POST, "transfer-encoding": "chunked" }, false)],
    reset: PROTOCOL_ERROR,
  },
  "extended CONNECT without CONNECT": {
    frames: [requestFrame(1, { ...POST, ":protocol": "websocket" }, false)],
    reset: PROTOCOL_ERROR,
  },
  "extended CONNECT with a length": {
    frames: [requestFrame(1, { ...GET, ":method": "CONNECT", ":protocol": "websocket", "content-length": "1" }, false)],
    reset: PROTOCOL_ERROR,
  },
};
