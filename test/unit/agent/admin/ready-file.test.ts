import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { setReadyFile } from "../../../../agent/admin/ready-file.ts";
import { RecordingLog } from "../../../support/recording-log.ts";

test("the file is there exactly while the agent is ready", (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), "hawser-ready-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, "ready");
  const log = new RecordingLog();
  setReadyFile(file, false, log);
  t.false(existsSync(file));
  setReadyFile(file, true, log);
  t.true(existsSync(file));
  setReadyFile(file, false, log);
  t.false(existsSync(file));
  t.is(log.lines.length, 0);
});

test("a folder that is not there is said in the log, and nothing else happens", (t) => {
  const log = new RecordingLog();
  setReadyFile("/nowhere/at/all/ready", true, log);
  t.is(log.lines[0]?.level, "error");
  setReadyFile(undefined, true, log);
  t.is(log.lines.length, 1);
});
