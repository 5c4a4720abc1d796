/** What each end of a connection says first (RFC 9113 section 3.4): preface, SETTINGS, and the connection's window. */
import { limits } from "../../limits.ts";
import type { FrameBuffer } from "./frame-buffer.ts";
import { DEFAULT_WINDOW_BYTES, PREFACE, SettingId } from "./frame-format.ts";
import { framingLimits } from "./limits.ts";

export function writeOpening(out: FrameBuffer, isServer: boolean): void {
  if (!isServer) out.raw(PREFACE);
  out.settings([
    isServer ? [SettingId.maxConcurrentStreams, limits.streamsPerTunnel] : [SettingId.enablePush, 0],
    [SettingId.initialWindowSize, limits.streamWindowBytes],
    [SettingId.maxFrameSize, framingLimits.maxFrameBytes],
    [SettingId.maxHeaderListSize, framingLimits.headerListBytes],
  ]);
  // SETTINGS do not cover it (section 6.9.2).
  out.windowUpdate(0, limits.tunnelWindowBytes - DEFAULT_WINDOW_BYTES);
}
