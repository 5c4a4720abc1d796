import test from "ava";
import { decodeFrame } from "../../../agent/control/decode-frame.ts";
import { TableMessage } from "../../../controller/table-message.ts";
import type { DeltaMessage } from "../../../protocol/channel.ts";

function change(pods: number): DeltaMessage {
  const workload = Array.from({ length: pods }, (_, number) => `shop/a-pod-with-a-long-name-${number}`);
  return { kind: "delta", delta: { epoch: "epoch-1", sequence: 2, upserts: {}, removals: { workload } } };
}

test("a large message is packed once, and unpacks to what it was", (t) => {
  const message = new TableMessage(change(500));
  const { bytes, binary } = message.frame(true);
  t.true(binary);
  t.true(bytes.length < message.size / 5);
  t.is(message.frame(true).bytes, bytes);
  t.is(bytes.buffer.byteLength, bytes.length, "it keeps no memory but its own");
  t.deepEqual(decodeFrame(bytes, true), change(500));
});

test("who does not read packed frames is sent text, and so is what is small", (t) => {
  const large = new TableMessage(change(500)).frame(false);
  t.false(large.binary);
  t.deepEqual(decodeFrame(large.bytes, false), change(500));
  t.false(new TableMessage(change(1)).frame(true).binary);
});

test("who does not read packed frames is sent the same text when others have been sent it packed", (t) => {
  const message = new TableMessage(change(500));
  const { bytes: text } = message.frame(false);
  message.frame(true);
  t.deepEqual(message.frame(false), { bytes: text, binary: false });
  t.is(message.size, text.length);
});

test("bytes that do not unpack are an error", (t) => {
  t.throws(() => decodeFrame(Buffer.from("nonsense"), true));
});
