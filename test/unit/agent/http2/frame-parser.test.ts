import test from "ava";
import fc from "fast-check";
import { FrameParser, type FrameSink } from "../../../../agent/http2/frame-parser.ts";
import { CLIENT_PREFACE, frame } from "../../../support/wire-frames.ts";

const BOUNDS = { maxFrameBytes: 1024 * 1024, controlFrameBytes: 16 * 1024 };

/** Writes down what it is told; parts of one DATA frame are joined, so that the pieces do not matter. */
class Recorder implements FrameSink {
  readonly events: string[] = [];
  #parts: Buffer[] = [];

  onDataFrame(streamId: number, windowBytes: number, payloadBytes: number): void {
    this.events.push(`data ${streamId} ${windowBytes} ${payloadBytes}`);
  }
  onDataPart(chunk: Buffer, from: number, to: number): void {
    if (from >= to) this.events.push("empty part");
    this.#parts.push(chunk.subarray(from, to));
  }
  onDataEnd(endStream: boolean): void {
    this.events.push(`${Buffer.concat(this.#parts).toString("hex")} ${endStream}`);
    this.#parts = [];
  }
  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    this.events.push(`${type} ${flags} ${streamId} ${payload.toString("hex")}`);
  }
  onUnknownFrame(): void {
    this.events.push("unknown");
  }
}

function parse(chunks: readonly Buffer[], expectPreface = false): string[] {
  const recorder = new Recorder();
  const parser = new FrameParser(recorder, { bounds: BOUNDS, expectPreface });
  for (const chunk of chunks) parser.feed(chunk);
  return recorder.events;
}

/** Cuts at the given places, in any order and number. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

const anyFrame = fc
  .record({
    type: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 12 })),
    flags: fc.integer({ min: 0, max: 255 }),
    streamId: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    payload: fc.uint8Array({ maxLength: 300 }),
    padding: fc.integer({ min: 0, max: 255 }),
  })
  .map(({ type, flags, streamId, payload, padding }) => {
    const padded = Buffer.concat([Buffer.from([padding]), payload, Buffer.alloc(padding)]);
    return frame(type, flags, streamId, type === 0 && (flags & 8) !== 0 ? padded : Buffer.from(payload));
  });

test("frames come out the same whatever the pieces in which they come", (t) => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 60 }), (frames, places) => {
      const bytes = Buffer.concat([CLIENT_PREFACE, ...frames]);
      t.deepEqual(parse(cut(bytes, places), true), parse([bytes], true));
    }),
  );
});

test("passes on DATA, with and without padding", (t) => {
  t.deepEqual(parse([frame(0, 0, 1, "abc")]), ["data 1 3 3", "616263 false"]);
  t.deepEqual(parse([frame(0, 1, 3)]), ["data 3 0 0", " true"]);
  t.deepEqual(parse([frame(0, 8 | 1, 3, "\x02abc\0\0")]), ["data 3 6 3", "616263 true"]);
  t.deepEqual(parse([frame(0, 8, 3, "\0")]), ["data 3 1 0", " false"]);
});

test("the pieces of a DATA frame are parts of the chunks that came", (t) => {
  const chunk = frame(0, 0, 1, Buffer.alloc(1_000));
  const parts: [Buffer, number, number][] = [];
  const sink = new Recorder();
  sink.onDataPart = (...part) => parts.push(part);
  new FrameParser(sink, { bounds: BOUNDS, expectPreface: false }).feed(chunk);
  t.is(parts.length, 1);
  t.is(parts[0]?.[0], chunk);
  t.deepEqual(parts[0]?.slice(1), [9, 1_009]);
});

test("ignores the reserved bit of the stream identifier, and types that it does not know", (t) => {
  t.deepEqual(parse([frame(6, 0, 2 ** 31 + 5, "12345678")]), ["6 0 5 3132333435363738"]);
  t.deepEqual(parse([frame(77, 255, 1, Buffer.alloc(5_000)), frame(4, 1, 0)]), ["unknown", "4 1 0 "]);
});

test("refuses frames that are too large or do not add up", (t) => {
  const tooLarge = BOUNDS.maxFrameBytes + 1;
  t.throws(() => parse([frame(0, 0, 1, Buffer.alloc(tooLarge))]), { code: "frame-size-error" });
  const tooLargeInMemory = Buffer.alloc(BOUNDS.controlFrameBytes + 1);
  t.throws(() => parse([frame(7, 0, 0, tooLargeInMemory)]), { code: "enhance-your-calm" });
  t.throws(() => parse([frame(0, 8, 1, "\x03ab")]), { code: "protocol-error" });
  t.throws(() => parse([frame(0, 8, 1)]), { code: "frame-size-error" });
});

test("refuses what is not HTTP/2 at the first wrong byte", (t) => {
  t.throws(() => parse([Buffer.from("P"), Buffer.from("OST / HTTP/1.1")], true), { code: "protocol-error" });
});

test("says nothing more after stop, in the middle of a chunk", (t) => {
  const recorder = new Recorder();
  const parser = new FrameParser(recorder, { bounds: BOUNDS, expectPreface: false });
  recorder.onFrame = (type) => {
    recorder.events.push(`${type}`);
    parser.stop();
  };
  parser.feed(Buffer.concat([frame(4, 0, 0), frame(4, 0, 0)]));
  parser.feed(frame(4, 0, 0));
  t.deepEqual(recorder.events, ["4"]);
});

test("random bytes end in an error or in nothing, and keep no memory", (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 2_000 }), { maxLength: 20 }), (chunks) => {
      try {
        parse(chunks.map((chunk) => Buffer.from(chunk)));
      } catch (error) {
        t.is((error as Error).name, "HawserError");
      }
    }),
  );
  t.pass();
});
