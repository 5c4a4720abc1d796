/** Writes the few messages of tunnels: CONNECT requests and their answers. */
import type { FrameBuffer } from "../../http2/frame-buffer.ts";
import { DEFAULT_FRAME_BYTES } from "../../http2/frame-format.ts";
import { type HpackEncoder, StaticIndex } from "../../http2/hpack-encoder.ts";

/** Names in lower case. */
export type Headers = Readonly<Record<string, string>>;

const OK = 200;

export function writeConnect(
  encoder: HpackEncoder,
  out: FrameBuffer,
  streamId: number,
  authority: string,
  headers: Headers,
): void {
  encoder.begin(out, streamId);
  encoder.named(StaticIndex.method, "CONNECT");
  encoder.named(StaticIndex.authority, authority);
  for (const name in headers) encoder.field(name, headers[name] as string);
  encoder.end(false, DEFAULT_FRAME_BYTES);
}

export function writeConnectAnswer(
  encoder: HpackEncoder,
  out: FrameBuffer,
  streamId: number,
  status: number,
  headers: Headers,
  endStream: boolean,
): void {
  encoder.begin(out, streamId);
  if (status === OK) encoder.indexed(StaticIndex.ok);
  else encoder.named(StaticIndex.status, String(status));
  for (const name in headers) encoder.field(name, headers[name] as string);
  encoder.end(endStream, DEFAULT_FRAME_BYTES);
}
