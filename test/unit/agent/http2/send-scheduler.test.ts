import test from "ava";
import { FrameBuffer } from "../../../../agent/http2/frame-buffer.ts";
import { http2Limits } from "../../../../agent/http2/limits.ts";
import { SendScheduler, type Sender } from "../../../../agent/http2/send-scheduler.ts";

class FakeSender implements Sender {
  nextSender: Sender | undefined;
  isScheduled = false;
  bytes: number;
  readonly #name: string;
  readonly #log: string[];

  constructor(name: string, bytes: number, log: string[]) {
    this.#name = name;
    this.bytes = bytes;
    this.#log = log;
  }

  get canSend(): boolean {
    return this.bytes > 0;
  }

  writeData(out: FrameBuffer, maxBytes: number): number {
    const length = Math.min(this.bytes, maxBytes);
    this.bytes -= length;
    out.reserve(9 + length);
    out.length += 9 + length;
    this.#log.push(`${this.#name} ${length}`);
    return length;
  }
}

test("streams take turns, a frame each: a small one waits for a frame of each other one", (t) => {
  const log: string[] = [];
  const scheduler = new SendScheduler(http2Limits);
  scheduler.add(new FakeSender("bulk", 40_000, log));
  scheduler.add(new FakeSender("small", 100, log));
  t.is(scheduler.gather(new FrameBuffer(http2Limits.idleBufferBytes)), 4);
  t.deepEqual(log, ["bulk 16384", "small 100", "bulk 16384", "bulk 7232"]);
  t.false(scheduler.hasWork);
  t.is(scheduler.windowBytes, 65_535 - 40_100);
});

test("stops at the connection's window, and goes on where it was", (t) => {
  const log: string[] = [];
  const scheduler = new SendScheduler(http2Limits);
  scheduler.windowBytes = 10;
  const [one, two] = [new FakeSender("one", 8, log), new FakeSender("two", 8, log)];
  scheduler.add(one);
  scheduler.add(two);
  scheduler.gather(new FrameBuffer(http2Limits.idleBufferBytes));
  t.false(scheduler.hasWork);
  scheduler.windowBytes += 100;
  t.true(scheduler.hasWork);
  scheduler.gather(new FrameBuffer(http2Limits.idleBufferBytes));
  t.deepEqual(log, ["one 8", "two 2", "two 6"]);
});

test("fills a flush and no more, with frames as large as the peer takes, and we want", (t) => {
  const log: string[] = [];
  const scheduler = new SendScheduler(http2Limits);
  scheduler.windowBytes = 10 * http2Limits.flushBytes;
  scheduler.setMaxFrameBytes(2 ** 24 - 1);
  scheduler.add(new FakeSender("bulk", 3 * http2Limits.flushBytes, log));
  const out = new FrameBuffer(http2Limits.idleBufferBytes);
  scheduler.gather(out);
  t.is(log[0], `bulk ${http2Limits.dataFrameBytes}`);
  t.true(out.length <= http2Limits.flushBytes && out.length > http2Limits.flushBytes - 2_048);
  t.true(scheduler.hasWork);
});

test("passes over a stream that was reset meanwhile, and takes one only once", (t) => {
  const log: string[] = [];
  const scheduler = new SendScheduler(http2Limits);
  const [gone, there] = [new FakeSender("gone", 8, log), new FakeSender("there", 8, log)];
  for (const sender of [gone, there, gone, there]) scheduler.add(sender);
  gone.bytes = 0;
  scheduler.gather(new FrameBuffer(http2Limits.idleBufferBytes));
  t.deepEqual(log, ["there 8"]);
  t.false(gone.isScheduled || there.isScheduled);
});
