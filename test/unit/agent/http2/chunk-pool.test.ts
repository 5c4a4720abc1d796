import test from "ava";
import { ByteQueue } from "../../../../agent/http2/byte-queue.ts";
import { ChunkPool } from "../../../../agent/http2/chunk-pool.ts";

const BULK_BYTES = 60_000;

test("memory that a queue was moved out of is used again, and not before", (t) => {
  const pool = new ChunkPool();
  const queue = new ByteQueue(pool);
  const lent = Buffer.alloc(BULK_BYTES, "a");
  const first = pool.copy(lent);
  queue.push(first);
  lent.fill("b");
  const second = pool.copy(lent);
  t.not(second.buffer, first.buffer);
  queue.push(second);
  const target = Buffer.alloc(2 * BULK_BYTES);
  queue.moveTo(target, 0, BULK_BYTES - 1);
  t.not(pool.copy(lent).buffer, first.buffer);
  queue.moveTo(target, BULK_BYTES - 1, BULK_BYTES + 1);
  t.is(target.toString(), "a".repeat(BULK_BYTES) + "b".repeat(BULK_BYTES));
  t.is(pool.copy(lent).buffer, second.buffer);
  t.is(pool.copy(lent).buffer, first.buffer);
});

test("what is small, larger than a read, or from elsewhere is no part of it", (t) => {
  const pool = new ChunkPool();
  for (const bytes of [100, 70_000]) {
    const copy = pool.copy(Buffer.alloc(bytes, "x"));
    t.is(copy.toString(), "x".repeat(bytes));
    pool.giveBack(copy);
    t.not(pool.copy(Buffer.alloc(BULK_BYTES)).buffer, copy.buffer);
  }
  const foreign = Buffer.alloc(65_536);
  pool.giveBack(foreign);
  t.not(pool.copy(foreign).buffer, foreign.buffer);
});

test("keeps a bounded number, and none after trim", (t) => {
  const pool = new ChunkPool();
  const copies = Array.from({ length: 20 }, () => pool.copy(Buffer.alloc(BULK_BYTES)));
  const known = new Set(copies.map(({ buffer }) => buffer));
  for (const copy of copies) pool.giveBack(copy);
  const again = Array.from({ length: 20 }, () => pool.copy(Buffer.alloc(BULK_BYTES)));
  t.is(again.filter(({ buffer }) => known.has(buffer)).length, 16);
  for (const copy of again) pool.giveBack(copy);
  pool.trim();
  t.false(again.some(({ buffer }) => buffer === pool.copy(Buffer.alloc(BULK_BYTES)).buffer));
});
