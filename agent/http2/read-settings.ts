/** Decodes and checks the payload of a SETTINGS frame (RFC 9113 section 6.5.2). Pure. */
import { DEFAULT_FRAME_BYTES, MAX_FRAME_BYTES, MAX_WINDOW_BYTES, SettingId } from "./frame-format.ts";
import { Http2Error } from "./http2-error.ts";

const SETTING_BYTES = 6;

/** What matters to a sender; undefined: not in this frame. */
export interface PeerSettings {
  readonly maxConcurrentStreams: number | undefined;
  readonly initialWindowBytes: number | undefined;
  readonly maxFrameBytes: number | undefined;
  /** The server takes extended CONNECT (RFC 8441 section 3). */
  readonly takesExtendedConnect: boolean | undefined;
}

/** `fromServer`: a server must not enable push. */
export function readSettings(payload: Buffer, fromServer: boolean): PeerSettings {
  if (payload.length % SETTING_BYTES !== 0) {
    throw new Http2Error("frame-size-error", `SETTINGS frame of ${payload.length} bytes`);
  }
  const settings: { -readonly [Name in keyof PeerSettings]: PeerSettings[Name] } = {
    maxConcurrentStreams: undefined,
    initialWindowBytes: undefined,
    maxFrameBytes: undefined,
    takesExtendedConnect: undefined,
  };
  for (let at = 0; at < payload.length; at += SETTING_BYTES) {
    const value = payload.readUInt32BE(at + 2);
    switch (payload.readUInt16BE(at)) {
      case SettingId.enablePush:
        if (value > 1 || (fromServer && value === 1)) throw invalid("ENABLE_PUSH", value);
        break;
      case SettingId.maxConcurrentStreams:
        settings.maxConcurrentStreams = value;
        break;
      case SettingId.initialWindowSize:
        if (value > MAX_WINDOW_BYTES) {
          throw new Http2Error("flow-control-error", `Peer sets INITIAL_WINDOW_SIZE to ${value}`);
        }
        settings.initialWindowBytes = value;
        break;
      case SettingId.maxFrameSize:
        if (value < DEFAULT_FRAME_BYTES || value > MAX_FRAME_BYTES) throw invalid("MAX_FRAME_SIZE", value);
        settings.maxFrameBytes = value;
        break;
      case SettingId.enableConnectProtocol:
        if (value > 1) throw invalid("ENABLE_CONNECT_PROTOCOL", value);
        settings.takesExtendedConnect = value === 1;
        break;
      default:
      // HEADER_TABLE_SIZE: our encoder uses no table. Anything else must be ignored.
    }
  }
  return settings;
}

function invalid(name: string, value: number): Http2Error {
  return new Http2Error("protocol-error", `Peer sets ${name} to ${value}`);
}
