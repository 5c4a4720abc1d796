/** One WebSocket frame of the controller -> its message, checked. Binary frames are packed. */
import { zstdDecompressSync } from "node:zlib";
import type { ControllerMessage } from "../../protocol/channel.ts";
import { controlLimits as limits } from "./limits.ts";
import { parseControllerMessage } from "./parse-controller-message.ts";

/** Undefined: a kind that this version does not know. Throws when the bytes are not a message, or unpack to too many. */
export function decodeFrame(bytes: Buffer, isBinary: boolean): ControllerMessage | undefined {
  const text = isBinary ? zstdDecompressSync(bytes, { maxOutputLength: limits.messageBytes }) : bytes;
  return parseControllerMessage(text.toString());
}
