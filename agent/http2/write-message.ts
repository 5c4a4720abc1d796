/** Writes messages as header blocks (RFC 9113 section 8.3): pseudo-headers first, names in lower case. */
import type { Fields } from "../http/fields.ts";
import type { FrameBuffer } from "./frame-buffer.ts";
import { type HpackEncoder, StaticIndex } from "./hpack-encoder.ts";
import type { RequestMessage, ResponseMessage } from "./request-stream.ts";

/** Statuses that are entries of the static table. */
const STATUS_INDICES = new Map(
  [200, 204, 206, 304, 400, 404, 500].map((status, at) => [status, StaticIndex.status + at]),
);

export interface BlockWriter {
  readonly encoder: HpackEncoder;
  /** What the peer takes. */
  readonly peerMaxFrameBytes: number;
}

export function writeRequest(
  { encoder, peerMaxFrameBytes }: BlockWriter,
  out: FrameBuffer,
  streamId: number,
  request: RequestMessage,
  endStream: boolean,
): void {
  const { method, protocol, scheme, authority, path, fields, length } = request;
  encoder.begin(out, streamId);
  if (method === "GET") encoder.indexed(StaticIndex.get);
  else if (method === "POST") encoder.indexed(StaticIndex.post);
  else encoder.named(StaticIndex.method, method);
  if (protocol !== undefined) encoder.field(":protocol", protocol);
  if (method !== "CONNECT" || protocol !== undefined) {
    encoder.indexed(scheme === "https" ? StaticIndex.https : StaticIndex.http);
    if (path === "/") encoder.indexed(StaticIndex.path);
    else encoder.named(StaticIndex.path, path);
  }
  if (authority !== "") encoder.named(StaticIndex.authority, authority);
  if (length !== undefined) encoder.field("content-length", String(length));
  if (request.trailersWanted) encoder.field("te", "trailers");
  if (request.expectsContinue) encoder.field("expect", "100-continue");
  writeFields(encoder, fields);
  encoder.end(endStream, peerMaxFrameBytes);
}

export function writeResponse(
  { encoder, peerMaxFrameBytes }: BlockWriter,
  out: FrameBuffer,
  streamId: number,
  { status, fields, length }: ResponseMessage,
  endStream: boolean,
): void {
  encoder.begin(out, streamId);
  const index = STATUS_INDICES.get(status);
  if (index === undefined) encoder.named(StaticIndex.status, String(status));
  else encoder.indexed(index);
  if (length !== undefined) encoder.field("content-length", String(length));
  writeFields(encoder, fields);
  encoder.end(endStream, peerMaxFrameBytes);
}

/** They end the stream. */
export function writeTrailers(
  { encoder, peerMaxFrameBytes }: BlockWriter,
  out: FrameBuffer,
  streamId: number,
  fields: Fields,
): void {
  encoder.begin(out, streamId);
  writeFields(encoder, fields);
  encoder.end(true, peerMaxFrameBytes);
}

function writeFields(encoder: HpackEncoder, { keys, values, secrets }: Fields): void {
  for (let index = 0; index < keys.length; index += 1) {
    const key = keys[index] as string;
    encoder.field(key, values[index] as string, secrets?.has(key));
  }
}
