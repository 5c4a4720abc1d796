/** Says placed bytes to anything that can be written, and hears them from anything that can be read, at its leisure. */
import type { Readable, Writable } from "node:stream";
import type { Moods } from "./moods.ts";
import { PlacedBytes } from "./placed-bytes.ts";

const MOST_PIECE_BYTES = 256 * 1024;
const PAUSE_MS = 20;

/** All of them, and the end; resolves early when nobody takes them any more. */
export async function sayPlaced(out: Writable, moods: Moods, number: number, length: number): Promise<void> {
  const bytes = new PlacedBytes(number);
  const closed = new Promise<void>((resolve) => {
    out.once("close", resolve);
  });
  for (let at = 0; at < length && !out.destroyed; ) {
    await moods.pause(PAUSE_MS);
    const piece = bytes.slice(at, Math.min(length - at, moods.upTo(MOST_PIECE_BYTES)));
    at += piece.length;
    if (out.destroyed || out.write(piece)) continue;
    const drained = new Promise<void>((resolve) => {
      out.once("drain", resolve);
    });
    await Promise.race([drained, closed]);
  }
  if (!out.destroyed) out.end();
}

export interface Heard {
  /** Undefined: everything that came belongs there. */
  readonly wrong: string | undefined;
  /** It came to its end, and is as long as was said. */
  readonly isWhole: boolean;
}

/** Not by `for await`, which destroys what it has read: an answer may still be written to it. */
export function hearPlaced(from: Readable, moods: Moods, number: number, length: number): Promise<Heard> {
  const expected = new PlacedBytes(number);
  let at = 0;
  let wrong: string | undefined;
  from.on("error", () => {});
  from.on("data", (chunk: Buffer) => {
    const position = expected.firstWrong(chunk, at);
    if (position !== undefined) wrong ??= `byte ${position} of ${length} is not what was said`;
    at += chunk.length;
    if (!moods.chance(0.1)) return;
    from.pause();
    setTimeout(() => from.resume(), moods.random() * PAUSE_MS);
  });
  return new Promise((resolve) => {
    from.once("end", () => resolve({ wrong, isWhole: at === length }));
    from.once("close", () => resolve({ wrong, isWhole: false }));
  });
}
