import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { controlLimits } from "../../../../agent/control/limits.ts";
import { TableStore } from "../../../../agent/control/table-store.ts";
import { temporaryPath } from "../../../../core/write-file-atomic.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { RecordingLog } from "../../../support/recording-log.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";
import { testNode, testTable } from "../../../support/test-tables.ts";

interface Bench {
  readonly store: TableStore;
  readonly directory: string;
  readonly path: string;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  readonly events: string[];
}

async function bench(t: ExecutionContext): Promise<Bench> {
  const directory = join(await temporaryDirectory(t), "state");
  const clock = new FakeClock(Date.now());
  const log = new RecordingLog();
  const events: string[] = [];
  const store = new TableStore({ directory, clock, log, count: (event) => events.push(event) });
  return { store, directory, path: join(directory, "table.json"), clock, log, events };
}

test("load gives nothing on a first boot, without a complaint", async (t) => {
  const { store, events } = await bench(t);
  t.is(await store.load(), undefined);
  t.deepEqual(events, []);
});

test("what was saved is loaded, and only its owner can read it", async (t) => {
  const { store, path } = await bench(t);
  store.save(testTable());
  await store.close();
  t.deepEqual(await store.load(), testTable());
  t.is((await stat(path)).mode & 0o777, 0o600);
});

test("a burst of changes is one write, of the newest", async (t) => {
  const { store, path, clock } = await bench(t);
  let made = 0;
  for (let sequence = 1; sequence <= 50; sequence += 1) {
    store.save(() => {
      made += 1;
      return testTable({ sequence });
    });
  }
  await t.throwsAsync(stat(path), { code: "ENOENT" });
  clock.advance(controlLimits.saveDelayMs);
  await store.flush();
  t.is(made, 1);
  t.is((await store.load())?.sequence, 50);
});

test("a corrupt, cut off or foreign file is put aside and told", async (t) => {
  const wrongType = JSON.stringify({ ...testTable(), nodes: [{ name: 7 }] });
  const contradiction = JSON.stringify({ ...testTable(), nodes: [testNode("node-1"), testNode("node-1")] });
  for (const text of ["", "{", '"text"', '{"epoch":"e"}', wrongType, contradiction]) {
    const { store, directory, path, events, log } = await bench(t);
    await mkdir(directory, { recursive: true });
    await writeFile(path, text);
    t.is(await store.load(), undefined, text);
    t.deepEqual(events, ["load-failed"]);
    t.is(log.lines[0]?.level, "error");
    t.deepEqual(await readdir(directory), ["table.json.corrupt"]);
  }
});

test("a disk that cannot be written is told once, counted every time, and used again when it is back", async (t) => {
  const { store, directory, path, clock, events, log } = await bench(t);
  // A file where the directory belongs fails for every user, root included.
  await writeFile(directory, "");
  for (let sequence = 1; sequence <= 3; sequence += 1) {
    store.save(testTable({ sequence }));
    await store.flush();
  }
  t.deepEqual(events, ["save-failed", "save-failed", "save-failed"]);
  t.is(log.lines.length, 1);
  await rm(directory);
  clock.advance(controlLimits.saveRetryMs);
  await eventually("the last one to be on the disk", () => existsSync(path));
  t.is((await store.load())?.sequence, 3);
  store.save(testTable({ sequence: 4 }));
  await store.flush();
  t.is((await store.load())?.sequence, 4);
});

test("what a killed writer left is removed, what another agent is writing is not", async (t) => {
  const { store, directory } = await bench(t);
  await mkdir(directory, { recursive: true });
  const [stale, fresh] = [join(directory, ".table.json.77.tmp"), join(directory, ".table.json.78.tmp")];
  await writeFile(stale, "cut o");
  await writeFile(fresh, "cut o");
  await utimes(stale, 0, 0);
  await store.load();
  t.deepEqual(await readdir(directory), [".table.json.78.tmp"]);
});

test("an interrupted write leaves the old table", async (t) => {
  const { store, directory, path } = await bench(t);
  store.save(testTable());
  await store.flush();
  // The temporary name is taken by a directory: the write fails half way.
  await mkdir(temporaryPath(join(directory, "table.json")));
  store.save(testTable({ sequence: 2 }));
  await store.flush();
  t.like(JSON.parse(await readFile(path, "utf8")) as object, { sequence: 1 });
});

test("a table that was stored without routes is asked for anew, and is in force until then", async (t) => {
  const { store, directory, path } = await bench(t);
  const { routes: _, ...older } = testTable();
  await mkdir(directory, { recursive: true });
  await writeFile(path, JSON.stringify(older));
  const loaded = await store.load();
  t.deepEqual(loaded, { ...testTable(), epoch: "epoch-1 without routes" });
});
