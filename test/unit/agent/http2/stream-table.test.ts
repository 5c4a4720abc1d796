/** Streams by their identifier, and that those which are over are let go. */
import test from "ava";
import type { Http2Stream } from "../../../../agent/http2/http2-stream.ts";
import { StreamTable } from "../../../../agent/http2/stream-table.ts";
import { keptBytes } from "../../../support/kept-bytes.ts";

interface Payload {
  id: number;
  readonly numbers: readonly number[];
}

/** 8 kB or more, in one piece. */
function stream(): Http2Stream & Payload {
  return { id: 0, numbers: Array.from({ length: 1_000 }, Math.random) } as unknown as Http2Stream & Payload;
}

test("finds the streams that are there, and those above an identifier", (t) => {
  const table = new StreamTable<Http2Stream & Payload>();
  const streams = [stream(), stream(), stream()];
  for (const each of streams) each.id = table.open(each);
  t.deepEqual(
    streams.map(({ id }) => id),
    [1, 3, 5],
  );
  table.remove(3);
  table.remove(3);
  t.is(table.find(1), streams[0]);
  t.is(table.find(3), undefined);
  t.throws(() => table.find(7), { code: "protocol-error" });
  t.deepEqual([...table.all()], [streams[0], streams[2]]);
  t.deepEqual(table.takeAbove(1), [streams[2]]);
  t.is(table.size, 1);
});

test("keeps nothing of streams that came and went", (t) => {
  const table = new StreamTable<Http2Stream>();
  const open: number[] = [];
  const come = (count: number): void => {
    for (let left = count; left > 0; left -= 1) {
      open.push(table.open(stream()));
      if (open.length > 16) table.remove(open.shift() as number);
    }
  };
  come(100);
  const kept = keptBytes(() => come(2_000));
  t.true(kept < 2_000_000, `${kept} bytes are kept of 16 MB`);
});
