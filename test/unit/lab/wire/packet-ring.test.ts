import test from "ava";
import { PacketRing } from "../../../../lab/wire/packet-ring.ts";

const BLOCK_BYTES = 1024;
const BLOCKS = 2;

/** A ring as the kernel would leave it after it has filled a block with these frames. */
function fillBlock(memory: Buffer, block: number, frames: readonly string[]): void {
  const start = block * BLOCK_BYTES;
  memory.writeUInt32LE(1, start + 8);
  memory.writeUInt32LE(frames.length, start + 12);
  memory.writeUInt32LE(48, start + 16);
  frames.forEach((text, n) => {
    const frame = start + 48 + n * 128;
    memory.writeUInt32LE(n === frames.length - 1 ? 0 : 128, frame);
    memory.writeUInt32LE(7, frame + 4);
    memory.writeUInt32LE(250_000_000, frame + 8);
    memory.writeUInt32LE(text.length, frame + 12);
    memory.writeUInt16LE(68, frame + 24);
    memory.write(text, frame + 68);
  });
}

function ring(): { memory: Buffer; read: () => string[] | undefined } {
  const bytes = new ArrayBuffer(BLOCK_BYTES * BLOCKS);
  const reader = new PacketRing(bytes, BLOCK_BYTES);
  const read = () => {
    const frames: string[] = [];
    return reader.readBlock((frame, timeMs) => frames.push(`${timeMs} ${frame.toString()}`)) ? frames : undefined;
  };
  return { memory: Buffer.from(bytes), read };
}

test("PacketRing gives the frames of each block once, and the block back", (t) => {
  const { memory, read } = ring();
  t.is(read(), undefined);
  fillBlock(memory, 0, ["one", "two"]);
  t.deepEqual(read(), ["7250 one", "7250 two"]);
  t.is(memory.readUInt32LE(8), 0);
  t.is(read(), undefined);
});

test("PacketRing goes round", (t) => {
  const { memory, read } = ring();
  for (let round = 0; round < 3; round++) {
    for (let block = 0; block < BLOCKS; block++) {
      fillBlock(memory, block, [`${round}.${block}`]);
      t.deepEqual(read(), [`7250 ${round}.${block}`]);
    }
  }
});

test("PacketRing passes a block that the timeout handed over empty", (t) => {
  const { memory, read } = ring();
  fillBlock(memory, 0, []);
  t.deepEqual(read(), []);
});
