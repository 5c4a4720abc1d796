import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import test from "ava";
import { DestinationRecorder } from "../../../../lab/shop/destination-recorder.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

class FakeSocket extends EventEmitter {
  bytesRead = 100;
  bytesWritten = 10;
}

function settle(recorder: DestinationRecorder): void {
  for (let answers = 0; answers < 10; answers++) recorder.answered({ startMs: 0, placement: "same-node" });
}

function connected(recorder: DestinationRecorder): { fake: FakeSocket; socket: Socket } {
  const fake = new FakeSocket();
  const socket = fake as unknown as Socket;
  recorder.connection(socket);
  fake.emit("connect");
  return { fake, socket };
}

test("DestinationRecorder counts a connection where its answers come from, open or closed", (t) => {
  const recorder = new DestinationRecorder("shop/catalog", new FakeClock());
  settle(recorder);
  const near = connected(recorder);
  const far = connected(recorder);
  recorder.placed(near.socket, "same-node");
  recorder.answered({ startMs: 1, placement: "same-node" });
  recorder.placed(far.socket, "cross-node");
  recorder.answered({ startMs: 1, placement: "cross-node" });
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
  const recorder = new DestinationRecorder("shop/catalog", new FakeClock());
  const fake = new FakeSocket();
  recorder.connection(fake as unknown as Socket);
  fake.emit("close");
  t.deepEqual(recorder.stats().placements, []);
});

test("DestinationRecorder counts only calls that began when the service had settled", (t) => {
  const clock = new FakeClock();
  const recorder = new DestinationRecorder("shop/catalog", clock);
  recorder.failed({ startMs: 0, placement: "unknown" }, "connection refused");
  clock.advance(100);
  settle(recorder);
  clock.advance(100);
  recorder.answered({ startMs: 50, placement: "cross-node" });
  recorder.failed({ startMs: 50, placement: "unknown" }, "timeout");
  recorder.answered({ startMs: 150, placement: "cross-node" });
  recorder.failed({ startMs: 150, placement: "unknown" }, "connection reset");
  const stats = recorder.stats();
  t.like(stats, { startupFailures: 2, lastError: "connection reset" });
  const counted = stats.placements.map(({ placement, requests, errors }) => ({ placement, requests, errors }));
  t.deepEqual(counted, [
    { placement: "cross-node", requests: 1, errors: 0 },
    { placement: "unknown", requests: 0, errors: 1 },
  ]);
});
