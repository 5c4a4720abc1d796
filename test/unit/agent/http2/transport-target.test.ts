import test from "ava";
import { FrameBuffer } from "../../../../agent/http2/frame-buffer.ts";
import type { ByteTransport } from "../../../../agent/http2/request-stream.ts";
import { TransportTarget } from "../../../../agent/http2/transport-target.ts";

const LIMIT_MS = 60_000;
/** Clocks begin long before connections do. */
const STARTED_MS = 1_000_000;

test("what takes nothing is stalled when it was seen so for the limit, not when it is seen so for the first time", (t) => {
  const target = new TransportTarget();
  target.transport = full();
  send(target);
  t.false(target.isStalled(STARTED_MS, LIMIT_MS));
  t.false(target.isStalled(STARTED_MS + LIMIT_MS - 1, LIMIT_MS));
  t.true(target.isStalled(STARTED_MS + LIMIT_MS, LIMIT_MS));
});

test("what takes a byte now and then is not stalled", (t) => {
  const target = new TransportTarget();
  target.transport = full();
  for (let round = 0; round < 3; round += 1) {
    send(target);
    t.false(target.isStalled(STARTED_MS + round * LIMIT_MS, LIMIT_MS));
    target.drained();
  }
});

function send(target: TransportTarget): void {
  const out = new FrameBuffer(1_024);
  out.ping(Buffer.alloc(8), false);
  target.send(out, () => {});
}

/** Takes the bytes and asks to wait. */
function full(): ByteTransport {
  return { queuedBytes: 1, write: () => false, end() {}, reset() {} };
}
