import test from "ava";
import fc from "fast-check";
import { ReceiveWindow } from "../../../../agent/http2/receive-window.ts";

test("a peer that keeps to its credit is never refused, and never gets more than the window", (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(500), fc.nat(500)), { maxLength: 200 }), (steps) => {
      const window = new ReceiveWindow(1_000);
      let [credit, unread] = [1_000, 0];
      for (const [send, read] of steps) {
        const sent = Math.min(send, credit);
        t.true(window.receive(sent));
        credit -= sent;
        unread += sent;
        const consumed = Math.min(read, unread);
        unread -= consumed;
        credit += window.consume(consumed);
        t.true(credit + unread <= 1_000);
        // Nobody is ever stuck: with everything read, at least half the window is open.
        if (unread === 0) t.true(credit > 500);
      }
    }),
  );
});

test("refuses a byte too many", (t) => {
  const window = new ReceiveWindow(1_000);
  t.true(window.receive(1_000));
  t.false(window.receive(1));
});

test("tells credit in halves of the window", (t) => {
  const window = new ReceiveWindow(1_000);
  window.receive(1_000);
  t.deepEqual([window.consume(499), window.consume(1), window.consume(499), window.consume(1)], [0, 500, 0, 500]);
});
