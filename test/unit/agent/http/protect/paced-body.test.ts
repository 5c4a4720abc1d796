import test from "ava";
import fc from "fast-check";
import { PACE_MS } from "../../../../../agent/http/protect/limits.ts";
import { PacedBody } from "../../../../../agent/http/protect/paced-body.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

function setUp(bytesPerSecond: number, untilMs = Infinity) {
  const clock = new FakeClock();
  const passed: Buffer[] = [];
  let empties = 0;
  const body = new PacedBody({
    clock,
    bytesPerSecond,
    untilMs,
    pass: (content) => passed.push(content),
    onEmpty: () => (empties += 1),
  });
  return { clock, body, text: () => Buffer.concat(passed).toString(), passed, empties: () => empties };
}

test("a slice at a time, and then it says that it is empty", (t) => {
  const { clock, body, text, empties } = setUp(100);
  body.write(Buffer.from("0123456789abcdef"));
  t.is(text(), "01234");
  t.is(body.heldBytes, 11);
  clock.advance(49);
  t.is(text(), "01234");
  clock.advance(51);
  t.is(text(), "0123456789abcde");
  t.is(empties(), 0);
  clock.advance(50);
  t.is(text(), "0123456789abcdef");
  t.is(empties(), 1);
  t.is(clock.pendingTimers, 0);
});

test("paused nothing passes, and the pause is not made up for", (t) => {
  const { clock, body, text } = setUp(100);
  body.write(Buffer.from("x".repeat(100)));
  body.pause();
  clock.advance(10_000);
  t.is(text().length, 5);
  body.resume();
  // But for one slice.
  t.is(text().length, 15);
  clock.advance(100);
  t.is(text().length, 25);
});

test("when the fault is over, all of it passes", (t) => {
  const clock = new FakeClock();
  const { body, text, ...own } = setUp(100, clock.nowMs() + 100);
  body.write(Buffer.from("x".repeat(10_000)));
  own.clock.advance(100);
  t.is(text().length, 10_000);
  t.is(own.clock.pendingTimers, 0);
});

test("dropped, it holds nothing and calls nobody", (t) => {
  const { clock, body, text, empties } = setUp(100);
  body.write(Buffer.from("x".repeat(100)));
  body.drop();
  clock.advance(10_000);
  t.deepEqual([text().length, body.heldBytes, empties(), clock.pendingTimers], [5, 0, 0, 0]);
});

test("a byte a second is a byte a second", (t) => {
  const { clock, body, text } = setUp(1);
  body.write(Buffer.from("abc"));
  t.is(text(), "a");
  clock.advance(999);
  t.is(text(), "a");
  clock.advance(1);
  t.is(text(), "ab");
});

test("whatever comes when: the same bytes in the same order, never faster than said", (t) => {
  const piece = fc.record({ bytes: fc.nat(300), afterMs: fc.nat(200) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), fc.array(piece, { maxLength: 20 }), (bytesPerSecond, pieces) => {
      const { clock, body, passed } = setUp(bytesPerSecond);
      let sent = 0;
      for (const { bytes, afterMs } of pieces) {
        body.write(Buffer.from(Array.from({ length: bytes }, (_, index) => (sent + index) % 251)));
        sent += bytes;
        clock.advance(afterMs);
      }
      const came = Buffer.concat(passed);
      const slice = Math.max(1, Math.floor((bytesPerSecond * PACE_MS) / 1_000));
      const allowed = (clock.monotonicMs() * bytesPerSecond) / 1_000 + (PACE_MS * bytesPerSecond) / 1_000 + slice;
      t.true(came.length <= allowed, `${came.length} > ${allowed}`);
      t.is(came.length + body.heldBytes, sent);
      clock.advance((sent / bytesPerSecond) * 1_000 + PACE_MS);
      const all = Buffer.concat(passed);
      t.is(all.length, sent);
      t.true(all.every((byte, index) => byte === index % 251));
    }),
  );
});
