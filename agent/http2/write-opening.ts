/** What each end of a connection says first (RFC 9113 section 3.4): preface, SETTINGS, and the connection's window. */
import type { FrameBuffer } from "./frame-buffer.ts";
import { DEFAULT_WINDOW_BYTES, PREFACE, SettingId } from "./frame-format.ts";
import type { Http2Bounds } from "./http2-bounds.ts";

/** `takesExtendedConnect`: of a server (RFC 8441). */
export function writeOpening(
  out: FrameBuffer,
  isServer: boolean,
  bounds: Http2Bounds,
  takesExtendedConnect: boolean,
): void {
  if (!isServer) out.raw(PREFACE);
  out.settings([
    isServer ? [SettingId.maxConcurrentStreams, bounds.streams] : [SettingId.enablePush, 0],
    [SettingId.initialWindowSize, bounds.streamWindowBytes],
    [SettingId.maxFrameSize, bounds.maxFrameBytes],
    [SettingId.maxHeaderListSize, bounds.headerListBytes],
    ...(takesExtendedConnect ? ([[SettingId.enableConnectProtocol, 1]] as const) : []),
  ]);
  // SETTINGS do not cover it (section 6.9.2).
  out.windowUpdate(0, bounds.connectionWindowBytes - DEFAULT_WINDOW_BYTES);
}
