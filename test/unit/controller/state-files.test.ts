import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { StateFiles } from "../../../controller/state-files.ts";
import { temporaryPath } from "../../../core/write-file-atomic.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLog } from "../../support/recording-log.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { testNode, testTable } from "../../support/test-tables.ts";

async function bench(t: ExecutionContext): Promise<{ directory: string; open: () => StateFiles; events: string[] }> {
  const directory = join(await temporaryDirectory(t), "state");
  const events: string[] = [];
  const count = (event: string): number => events.push(event);
  const open = (): StateFiles =>
    new StateFiles({ directory, clock: new FakeClock(Date.now()), log: new RecordingLog(), count });
  return { directory, open, events };
}

test("an empty directory is no memory", async (t) => {
  const { open } = await bench(t);
  const state = await open().load();
  t.deepEqual(state, { table: undefined, continues: false });
  t.deepEqual(await open().loadAgentNodes(), new Set());
});

test("table, position and agents are remembered", async (t) => {
  const { open } = await bench(t);
  const files = open();
  await files.load();
  t.true(await files.claim(testTable()));
  files.saveTable(testTable());
  await files.saveAgentNodes(new Set(["node-1"]));
  await files.flush();
  t.deepEqual(await open().load(), { table: testTable(), continues: true });
  t.deepEqual(await open().loadAgentNodes(), new Set(["node-1"]));
});

test("numbering does not go on from a table that is older than the position", async (t) => {
  const { open } = await bench(t);
  const files = open();
  await files.load();
  await files.claim(testTable());
  files.saveTable(testTable());
  await files.flush();
  // Killed after the next position was claimed, before its table was written.
  await files.claim(testTable({ sequence: 2 }));
  const state = await open().load();
  t.is(state.table?.sequence, 1);
  t.false(state.continues);
});

test("numbering does not go on from a table or a position that is corrupt", async (t) => {
  const { open, directory } = await bench(t);
  for (const file of ["table.json", "position.json"]) {
    const files = open();
    await files.load();
    await files.claim(testTable());
    files.saveTable(testTable());
    await files.flush();
    await writeFile(join(directory, file), "{ cut o");
    t.false((await open().load()).continues, file);
  }
});

test("nodes with an agent are taken from the table when their own file is lost", async (t) => {
  const { open } = await bench(t);
  const files = open();
  await files.load();
  files.saveTable(testTable({ nodes: [testNode("node-1", { agent: true }), testNode("node-2")] }));
  await files.flush();
  t.deepEqual(await open().loadAgentNodes(), new Set(["node-1"]));
});

test("a position that follows one on disk is refused when it cannot be written, one of a new epoch is not", async (t) => {
  const { open, directory, events } = await bench(t);
  const files = open();
  await files.load();
  t.true(await files.claim({ epoch: "a", sequence: 1 }));
  const good = await readFile(join(directory, "position.json"), "utf8");
  // A directory in the place of the temporary file: the write fails for every user, root included.
  const obstacle = temporaryPath(join(directory, "position.json"));
  await mkdir(obstacle);
  t.false(await files.claim({ epoch: "a", sequence: 2 }));
  t.true(await files.claim({ epoch: "b", sequence: 1 }));
  t.true(await files.claim({ epoch: "b", sequence: 2 }));
  t.is(await readFile(join(directory, "position.json"), "utf8"), good);
  t.is(events.length, 3);
  await rm(obstacle, { recursive: true });
  t.true(await files.claim({ epoch: "b", sequence: 3 }));
});
