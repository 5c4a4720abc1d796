import { Writable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import { http2Limits } from "../../../../agent/http2/limits.ts";
import { type FrameTarget, TurnWriter } from "../../../../agent/http2/turn-writer.ts";

const PING = Buffer.alloc(8);
const PING_FRAME_BYTES = 17;

function setUp() {
  const sizes: number[] = [];
  const socket = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      sizes.push(chunk.length);
      setImmediate(done);
    },
  });
  const target: FrameTarget = {
    takesSlices: false,
    send: (out, sent) => socket.write(Buffer.from(out.written), sent),
    end: () => socket.end(),
  };
  const writer = new TurnWriter(target, { gather: () => 0, hasWork: false, onWritten: () => {} }, http2Limits);
  const ask = (): void => {
    writer.out.ping(PING, false);
    writer.request();
  };
  return { sizes, ask };
}

/** Long enough for a write to be reported and the next one to be made. */
async function turns(count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) await turn();
}

test("a lone frame leaves right after the callback, before the turn's end", async (t) => {
  const { sizes, ask } = setUp();
  ask();
  await Promise.resolve();
  await new Promise((resolve) => process.nextTick(resolve));
  t.deepEqual(sizes, [PING_FRAME_BYTES]);
});

test("frames of one callback leave together, and the next ones wait for the turn's end", async (t) => {
  const { sizes, ask } = setUp();
  ask();
  ask();
  await turns(3);
  t.deepEqual(sizes, [2 * PING_FRAME_BYTES]);
  ask();
  await new Promise((resolve) => process.nextTick(resolve));
  t.is(sizes.length, 1);
  ask();
  await turns(3);
  t.deepEqual(sizes, [2 * PING_FRAME_BYTES, 2 * PING_FRAME_BYTES]);
});

test("after a lone frame, what comes in the same turn is gathered until its end", async (t) => {
  const { sizes, ask } = setUp();
  await new Promise<void>((resolve) => {
    setImmediate(() => {
      ask();
      process.nextTick(() => process.nextTick(resolve));
    });
  });
  ask();
  ask();
  await turns(4);
  t.deepEqual(sizes, [PING_FRAME_BYTES, 2 * PING_FRAME_BYTES]);
});
