/** HTTP/2 frames as bytes, and bytes as frames, written independently of the engine: for tests of what is on the wire. */

export interface WireFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export const CLIENT_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const EMPTY_SETTINGS = frame(4, 0, 0);

export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ""): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(9);
  header.writeUIntBE(bytes.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, bytes]);
}

export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
}

export function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

/** A header block of literals that are not indexed and not compressed. */
export function block(fields: Readonly<Record<string, string>> | readonly (readonly [string, string])[]): Buffer {
  const pairs = Array.isArray(fields) ? fields : Object.entries(fields);
  return Buffer.concat(
    pairs.map(([name, value]) =>
      Buffer.concat([
        Buffer.from([0, name.length]),
        Buffer.from(name, "latin1"),
        length(value),
        Buffer.from(value, "latin1"),
      ]),
    ),
  );
}

function length(text: string): Buffer {
  if (text.length < 127) return Buffer.from([text.length]);
  const rest = text.length - 127;
  return Buffer.from([127, (rest & 127) | 128, ((rest >> 7) & 127) | 128, rest >> 14]);
}

/** HEADERS of a CONNECT request, complete. */
export function connectFrame(streamId: number, authority = "10.0.0.1:80"): Buffer {
  return frame(1, 4, streamId, block({ ":method": "CONNECT", ":authority": authority }));
}

/** Takes whole frames from the front of what came so far. */
export class WireReader {
  #bytes = Buffer.alloc(0);

  push(chunk: Buffer): WireFrame[] {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (CLIENT_PREFACE.equals(this.#bytes.subarray(0, CLIENT_PREFACE.length))) {
      this.#bytes = this.#bytes.subarray(CLIENT_PREFACE.length);
    }
    const frames: WireFrame[] = [];
    while (this.#bytes.length >= 9 && this.#bytes.length >= 9 + this.#bytes.readUIntBE(0, 3)) {
      const end = 9 + this.#bytes.readUIntBE(0, 3);
      const [type, flags] = [this.#bytes.readUInt8(3), this.#bytes.readUInt8(4)];
      frames.push({ type, flags, streamId: this.#bytes.readUInt32BE(5), payload: this.#bytes.subarray(9, end) });
      this.#bytes = this.#bytes.subarray(end);
    }
    return frames;
  }
}
