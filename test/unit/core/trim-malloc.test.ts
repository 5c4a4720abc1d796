import test from "ava";
import koffi from "koffi";
import { mallocTrimmer } from "../../../core/trim-malloc.ts";

const BLOCK_BYTES = 64 * 1024;
const BLOCKS = 512;
/** Finding the function anew for each would keep 6 kB of them each. */
const TRIMS = 5_000;

test("pages that are free between others are given back", (t) => {
  const libc = koffi.load("libc.so.6");
  const calloc = libc.func("void* calloc(size_t, size_t)");
  const memset = libc.func("void* memset(void*, int, size_t)");
  const free = libc.func("void free(void*)");
  const before = process.memoryUsage.rss();
  const blocks = Array.from({ length: BLOCKS }, () => calloc(1, BLOCK_BYTES) as unknown);
  for (const block of blocks) memset(block, 1, BLOCK_BYTES);
  const last = blocks.pop();
  for (const block of blocks) free(block);
  // The last one is in the way: what lies below it stays with malloc.
  const kept = process.memoryUsage.rss();
  t.true(kept - before > (BLOCKS * BLOCK_BYTES) / 2, `${kept - before} bytes more than before`);
  t.true(mallocTrimmer()());
  const returned = kept - process.memoryUsage.rss();
  t.true(returned > (BLOCKS * BLOCK_BYTES) / 2, `${returned} bytes given back`);
  free(last);
});

test("trimming again and again keeps nothing", (t) => {
  const trim = mallocTrimmer();
  trim();
  const before = process.memoryUsage.rss();
  for (let times = 0; times < TRIMS; times += 1) trim();
  const kept = process.memoryUsage.rss() - before;
  t.true(kept < TRIMS * 2_000, `${kept} bytes more than before`);
});
