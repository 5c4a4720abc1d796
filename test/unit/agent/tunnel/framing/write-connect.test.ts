import test from "ava";
import { FrameBuffer } from "../../../../../agent/http2/frame-buffer.ts";
import { HpackEncoder } from "../../../../../agent/http2/hpack-encoder.ts";
import { framingLimits } from "../../../../../agent/tunnel/framing/limits.ts";
import { writeConnect, writeConnectAnswer } from "../../../../../agent/tunnel/framing/write-connect.ts";
import { WireReader } from "../../../../support/wire-frames.ts";

function blockOf(write: (out: FrameBuffer) => void): string | undefined {
  const out = new FrameBuffer(framingLimits.idleBufferBytes);
  write(out);
  return new WireReader().push(Buffer.from(out.written))[0]?.payload.toString("latin1");
}

test("our requests use no dynamic table, and say so once", (t) => {
  const encoder = new HpackEncoder(framingLimits);
  const blocks = [1, 3].map((id) =>
    blockOf((out) => writeConnect(encoder, out, id, "10.0.0.1:80", { forwarded: "for=a" })),
  );
  t.is(blocks[0], " \x02\x07CONNECT\x01\x0b10.0.0.1:80\0\x09forwarded\x05for=a");
  t.is(blocks[1], blocks[0]?.slice(1));
});

test("a 200 is one byte, other statuses are written out", (t) => {
  const encoder = new HpackEncoder(framingLimits);
  t.is(
    blockOf((out) => writeConnectAnswer(encoder, out, 1, 200, {}, false)),
    " \x88",
  );
  t.is(
    blockOf((out) => writeConnectAnswer(encoder, out, 1, 503, { "hawser-reason": "x" }, true)),
    "\x08\x03503\0\x0dhawser-reason\x01x",
  );
});
