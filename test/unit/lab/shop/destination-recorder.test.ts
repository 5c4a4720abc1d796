import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import test from "ava";
import { DestinationRecorder } from "../../../../lab/shop/destination-recorder.ts";

class FakeSocket extends EventEmitter {
  bytesRead = 100;
  bytesWritten = 10;
}

function connected(recorder: DestinationRecorder): { fake: FakeSocket; socket: Socket } {
  const fake = new FakeSocket();
  const socket = fake as unknown as Socket;
  recorder.connection(socket);
  fake.emit("connect");
  return { fake, socket };
}

test("DestinationRecorder counts a connection where its answers come from, open or closed", (t) => {
  const recorder = new DestinationRecorder("shop/catalog");
  const near = connected(recorder);
  const far = connected(recorder);
  recorder.placed(near.socket, "same-node");
  recorder.answered(1, "same-node");
  recorder.placed(far.socket, "cross-node");
  recorder.answered(2, "cross-node");
  far.fake.emit("close");
  const counted = recorder
    .stats()
    .placements.map(({ placement, connections, requests, bytes }) => ({ placement, connections, requests, bytes }));
  t.deepEqual(counted, [
    { placement: "same-node", connections: 1, requests: 1, bytes: 110 },
    { placement: "cross-node", connections: 1, requests: 1, bytes: 110 },
  ]);
});

test("DestinationRecorder does not count a connection that was never made", (t) => {
  const recorder = new DestinationRecorder("shop/catalog");
  const fake = new FakeSocket();
  recorder.connection(fake as unknown as Socket);
  fake.emit("close");
  t.deepEqual(recorder.stats().placements, []);
});

test("DestinationRecorder keeps failures before the first success apart", (t) => {
  const recorder = new DestinationRecorder("shop/catalog");
  recorder.failed("connection refused");
  recorder.answered(1, "cross-node");
  recorder.failed("connection reset");
  const stats = recorder.stats();
  t.like(stats, { startupFailures: 1, lastError: "connection reset" });
  t.is(stats.placements.find(({ placement }) => placement === "unknown")?.errors, 1);
});
