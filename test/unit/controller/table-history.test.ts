import test from "ava";
import { limits } from "../../../controller/limits.ts";
import { TableHistory } from "../../../controller/table-history.ts";
import type { TableDelta } from "../../../protocol/table.ts";
import { testTable } from "../../support/test-tables.ts";

function change(sequence: number): TableDelta {
  return { epoch: "epoch-1", sequence, upserts: {}, removals: { workload: [`shop/pod-${sequence}`] } };
}

function historyUpTo(sequence: number): TableHistory {
  const history = new TableHistory();
  history.reset(testTable());
  for (let next = 2; next <= sequence; next += 1) history.advance(change(next), testTable({ sequence: next }));
  return history;
}

test("nothing is sent before there is a table, and nothing to who has it", (t) => {
  t.is(new TableHistory().nextMessage(undefined), undefined);
  t.is(historyUpTo(3).nextMessage({ epoch: "epoch-1", sequence: 3 }), undefined);
});

test("who missed changes is given one after the other", (t) => {
  const history = historyUpTo(5);
  const next = history.nextMessage({ epoch: "epoch-1", sequence: 3 });
  t.like(next, { kind: "delta", sequence: 4 });
  t.deepEqual(JSON.parse(next?.frame(false).bytes.toString() ?? ""), { kind: "delta", delta: change(4) });
});

test("who has nothing, another epoch, the future or an age-old table is given a snapshot", (t) => {
  const history = historyUpTo(3);
  for (const have of [
    undefined,
    { epoch: "other", sequence: 3 },
    { epoch: "epoch-1", sequence: 4 },
    { epoch: "epoch-1", sequence: 0 },
  ]) {
    const next = history.nextMessage(have);
    t.like(next, { kind: "snapshot", sequence: 3 });
    t.deepEqual(JSON.parse(next?.frame(false).bytes.toString() ?? "") as unknown, {
      kind: "snapshot",
      table: testTable({ sequence: 3 }),
    });
  }
});

test("a message is serialised once for everyone", (t) => {
  const history = historyUpTo(3);
  t.is(history.nextMessage(undefined)?.frame(true).bytes, history.nextMessage(undefined)?.frame(true).bytes);
  const have = { epoch: "epoch-1", sequence: 2 };
  t.is(history.nextMessage(have)?.frame(true).bytes, history.nextMessage(have)?.frame(true).bytes);
});

test("the number of changes that are kept is bounded", (t) => {
  const history = historyUpTo(limits.historyChanges + 3);
  t.like(history.nextMessage({ epoch: "epoch-1", sequence: 2 }), { kind: "snapshot" });
  t.like(history.nextMessage({ epoch: "epoch-1", sequence: 3 }), { kind: "delta", sequence: 4 });
});

test("a reset forgets the changes of the epoch before", (t) => {
  const history = historyUpTo(3);
  history.reset(testTable({ epoch: "epoch-2", sequence: 1 }));
  t.like(history.nextMessage({ epoch: "epoch-1", sequence: 2 }), { kind: "snapshot", epoch: "epoch-2" });
});

test("a snapshot serves those who come later too, as long as the changes after it are here and smaller", (t) => {
  const history = historyUpTo(1);
  const first = history.nextMessage(undefined);
  history.advance(change(2), testTable({ sequence: 2 }));
  t.is(history.nextMessage(undefined), first);
  t.like(history.nextMessage({ epoch: "epoch-1", sequence: 1 }), { kind: "delta", sequence: 2 });
  let sequence = 2;
  for (let bytes = 0; bytes <= (first?.size ?? 0); bytes += JSON.stringify(change(sequence)).length) {
    sequence += 1;
    history.advance(change(sequence), testTable({ sequence }));
  }
  t.like(history.nextMessage(undefined), { kind: "snapshot", sequence });
});

test("who asks for the newest snapshot is given the newest", (t) => {
  const history = historyUpTo(1);
  history.snapshotMessage();
  history.advance(change(2), testTable({ sequence: 2 }));
  t.like(history.snapshotMessage(), { kind: "snapshot", sequence: 2 });
});
