/**
 * Bounds so small that whatever may wait does: windows, frames, flushes, streams of a tunnel, buffers. For all that is made
 * from then on in this process.
 */
import { http2Limits } from "../../../agent/http2/limits.ts";
import { limits } from "../../../agent/limits.ts";
import { framingLimits } from "../../../agent/tunnel/framing/limits.ts";

const CONNECTION = {
  // What a peer may send before it knows (RFC 9113 section 6.9.2).
  streamWindowBytes: 65_535,
  connectionWindowBytes: 128 * 1024,
  // The least that a peer may be told (RFC 9113 section 6.5.2).
  maxFrameBytes: 16 * 1024,
  flushBytes: 24 * 1024,
  earlyFlushBytes: 6 * 1024,
  dataFrameBytes: 10 * 1024,
  queueHighBytes: 16 * 1024,
  queueLowBytes: 8 * 1024,
};

/** Puts them back as they were. */
export function useSmallBounds(): () => void {
  const changes = [
    { bounds: framingLimits, small: { ...CONNECTION, streams: 12, streamsBeforeSettings: 4 } },
    { bounds: http2Limits, small: { ...CONNECTION, queuedBytes: 64 * 1024 } },
    {
      bounds: limits,
      // A socket tells of room only when more than Node's own mark has waited, 64 KiB.
      small: { socketBufferBytes: 66 * 1024, streamBufferBytes: 24 * 1024, earlyDataBytes: 16 * 1024 },
    },
  ];
  const before = changes.map(({ bounds }) => ({ ...bounds }));
  for (const { bounds, small } of changes) Object.assign(bounds, small);
  return () => {
    for (const [index, { bounds }] of changes.entries()) Object.assign(bounds, before[index]);
  };
}
