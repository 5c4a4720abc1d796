import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import test from "ava";
import fc from "fast-check";
import { ByteQueue } from "../../../../agent/http2/byte-queue.ts";
import { eventually } from "../../../support/eventually.ts";

test("gives back the same bytes in the same order, however they are put in and taken out", (t) => {
  const step = fc.oneof(
    fc.record({ push: fc.uint8Array({ minLength: 1, maxLength: 100 }) }),
    fc.record({ push: fc.integer({ min: 1, max: 2_000 }).map((length) => new Uint8Array(length).fill(length)) }),
    fc.record({ move: fc.integer({ min: 1, max: 500 }) }),
    fc.record({ shift: fc.integer({ min: 1, max: 4 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const queue = new ByteQueue();
      const [put, taken]: [Buffer[], Buffer[]] = [[], []];
      for (const each of steps) {
        if ("push" in each) {
          put.push(Buffer.from(each.push));
          queue.push(Buffer.from(each.push));
        } else if ("move" in each) {
          const target = Buffer.alloc(Math.min(each.move, queue.bytes) + 2);
          queue.moveTo(target, 1, target.length - 2);
          taken.push(target.subarray(1, -1));
        } else if (queue.bytes > 0) {
          taken.push(queue.shift(Math.ceil(queue.headBytes / each.shift)));
        }
      }
      const rest = Buffer.alloc(queue.bytes);
      queue.moveTo(rest, 0, rest.length);
      t.is(queue.bytes, 0);
      t.is(queue.headBytes, 0);
      t.true(Buffer.concat([...taken, rest]).equals(Buffer.concat(put)));
    }),
  );
});

test("joins small buffers as they pile up", (t) => {
  const queue = new ByteQueue();
  for (let index = 0; index < 64_000; index += 1) queue.push(Buffer.from([index]));
  let chunks = 0;
  for (let at = 0; queue.bytes > 0; chunks += 1) {
    for (const byte of queue.shift(queue.headBytes)) {
      if (byte !== at % 256) t.fail(`byte ${at} is ${byte}`);
      at += 1;
    }
  }
  t.true(chunks < 2_000, `${chunks} chunks`);
});

test("a small slice keeps no large buffer alive", (t) => {
  const large = Buffer.allocUnsafeSlow(16_384).fill("x");
  const queue = new ByteQueue();
  queue.pushSlice(large.subarray(0, 10));
  t.not(queue.shift(queue.headBytes).buffer, large.buffer);
  queue.pushSlice(large.subarray(0, 8_192));
  t.is(queue.shift(queue.headBytes).buffer, large.buffer);
});

test("what was taken is not kept alive by what waits behind it", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const queue = new ByteQueue();
  const taken = Array.from({ length: 50 }, () => {
    const chunk = Buffer.allocUnsafeSlow(65_536);
    queue.push(chunk);
    return new WeakRef(chunk.buffer);
  });
  queue.push(Buffer.from("waits"));
  queue.moveTo(Buffer.alloc(50 * 65_536), 0, 50 * 65_536);
  await eventually("memory to be free", () => {
    collect();
    return taken.every((memory) => memory.deref() === undefined);
  });
  t.is(queue.shift(5).toString(), "waits");
});

test("clear forgets everything", (t) => {
  const queue = new ByteQueue();
  queue.push(Buffer.from("abc"));
  queue.moveTo(Buffer.alloc(1), 0, 1);
  queue.clear();
  t.is(queue.bytes, 0);
  queue.push(Buffer.from("def"));
  t.is(queue.shift(queue.headBytes).toString(), "def");
});
