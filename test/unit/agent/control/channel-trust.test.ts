import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { ChannelTrust } from "../../../../agent/control/channel-trust.ts";
import { RecordingLog } from "../../../support/recording-log.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

async function bench(t: ExecutionContext) {
  const directory = await temporaryDirectory(t);
  const caFile = join(directory, "ca.pem");
  const learntFile = join(directory, "controller-roots.pem");
  const log = new RecordingLog();
  return { caFile, learntFile, log, open: () => new ChannelTrust({ caFile, learntFile, log }) };
}

test("the CA file is read each time, and what was learnt is trusted beside it, also after a restart", async (t) => {
  const { caFile, open } = await bench(t);
  const trust = open();
  t.throws(() => trust.roots(), { code: "ENOENT" });
  await writeFile(caFile, "first\n");
  t.is(trust.roots(), "first\n");
  await trust.learn("first\n");
  t.is(trust.roots(), "first\n", "the same is not said twice");
  await trust.learn("second\n");
  t.is(trust.roots(), "first\n\nsecond\n");
  t.is(open().roots(), "first\n\nsecond\n");
  await writeFile(caFile, "third\n");
  t.is(trust.roots(), "third\n\nsecond\n");
});

test("what is learnt replaces what was learnt before", async (t) => {
  const { caFile, open } = await bench(t);
  await writeFile(caFile, "file\n");
  const trust = open();
  await Promise.all([trust.learn("old\n"), trust.learn("new\n")]);
  t.is(open().roots(), "file\n\nnew\n");
});

test("an agent that has learnt roots does without the CA file", async (t) => {
  const { caFile, open } = await bench(t);
  await writeFile(caFile, "file\n");
  await open().learn("learnt\n");
  await rm(caFile);
  t.is(open().roots().trim(), "learnt");
});

test("a disk that cannot be written costs only the memory across restarts", async (t) => {
  const { caFile, learntFile, open, log } = await bench(t);
  await writeFile(caFile, "file\n");
  await mkdir(learntFile);
  const trust = open();
  t.is(trust.roots(), "file\n");
  await trust.learn("learnt\n");
  t.is(trust.roots(), "file\n\nlearnt\n");
  t.regex(log.text, /Cannot store the controller's roots/);
});
