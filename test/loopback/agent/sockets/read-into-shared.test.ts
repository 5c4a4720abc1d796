/** Reading real sockets into the thread's shared buffer: that Node still has what it stands on, and that nothing is lost. */
import { once } from "node:events";
import { duplexPair } from "node:stream";
import test from "ava";
import { readIntoShared } from "../../../../agent/sockets/read-into-shared.ts";
import { eventually } from "../../../support/eventually.ts";
import { socketPair } from "../../../support/socket-pair.ts";

/** Bytes of which each says where it is. */
function pattern(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) buffer.writeUInt32LE(at, at);
  return buffer;
}

test("every byte comes once and in order, through one buffer, also what was read before", async (t) => {
  const { agent, pod } = await socketPair();
  const sent = pattern(4_000_000);
  const got: Buffer[] = [];
  const memory = new Set<ArrayBufferLike>();
  pod.write(sent.subarray(0, 1_000));
  agent.pause();
  await eventually("the first bytes wait in the socket", () => {
    agent.read(0);
    return agent.readableLength === 1_000;
  });
  t.true(
    readIntoShared(agent, (chunk) => {
      memory.add(chunk.buffer);
      got.push(Buffer.from(chunk));
      chunk.fill(0);
    }),
  );
  agent.on("data", (chunk: Buffer) => got.push(chunk));
  agent.resume();
  pod.end(sent.subarray(1_000));
  await once(agent, "end");
  t.true(Buffer.concat(got).equals(sent));
  t.is(memory.size, 1);
  agent.destroy();
  pod.destroy();
});

test("a paused socket is not read", async (t) => {
  const { agent, pod } = await socketPair();
  let bytes = 0;
  readIntoShared(agent, (chunk) => {
    bytes += chunk.length;
    agent.pause();
  });
  agent.resume();
  pod.write(Buffer.alloc(8_000_000));
  await eventually("the pod cannot write", () => bytes > 0 && pod.writableLength > 0);
  const before = bytes;
  t.true(before <= 65_536);
  agent.resume();
  await eventually("some more", () => bytes > before);
  t.true(bytes <= 2 * 65_536);
  agent.destroy();
  pod.destroy();
});

test("two sockets share the buffer, and a reset is told as ever", async (t) => {
  const pairs = await Promise.all([socketPair(), socketPair()]);
  const got = ["", ""];
  pairs.forEach(({ agent }, index) => {
    readIntoShared(agent, (chunk) => {
      got[index] += chunk.toString();
    });
    agent.resume();
  });
  pairs.forEach(({ pod }, index) => pod.write(`for ${index}`));
  await eventually("both", () => got.join() === "for 0,for 1");
  const { agent, pod } = pairs[0];
  const failed = once(agent, "error");
  pod.resetAndDestroy();
  t.is(((await failed) as [NodeJS.ErrnoException])[0].code, "ECONNRESET");
  for (const pair of pairs) {
    pair.agent.destroy();
    pair.pod.destroy();
  }
});

test("a stream that is no socket stays as it is", (t) => {
  t.false(readIntoShared(duplexPair()[0], () => t.fail()));
});
