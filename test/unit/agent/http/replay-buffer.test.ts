/** What a body that is kept for another try costs, however it comes. */
import test from "ava";
import { ReplayBuffer } from "../../../../agent/http/replay-buffer.ts";

/** Of all the memory that the pieces keep alive. */
function keptAlive(pieces: readonly Buffer[]): number {
  const buffers = new Set(pieces.map(({ buffer }) => buffer));
  return [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

test("a body of single bytes, each in a read of its own, keeps neither the reads nor thousands of buffers", (t) => {
  const replay = new ReplayBuffer();
  for (let count = 0; count < 1_000; count += 1) {
    replay.keep(
      Buffer.allocUnsafeSlow(64 * 1024)
        .fill(count & 0xff, 100, 101)
        .subarray(100, 101),
    );
  }
  t.is(replay.bytes, 1_000);
  t.deepEqual(
    [...Buffer.concat(replay.chunks)],
    Array.from({ length: 1_000 }, (_, index) => index & 0xff),
  );
  t.true(keptAlive(replay.chunks) < 1024 * 1024, `${keptAlive(replay.chunks)} bytes`);
  t.true(replay.chunks.length < 200, `${replay.chunks.length} pieces`);
});

test("what is read at once is kept as it came, and nothing once it is given up", (t) => {
  const replay = new ReplayBuffer();
  const content = Buffer.allocUnsafeSlow(8 * 1024);
  replay.keep(content);
  t.is(replay.chunks[0], content);
  replay.giveUp();
  replay.keep(content);
  t.deepEqual([replay.bytes, replay.chunks.length, replay.isComplete], [0, 0, false]);
});
