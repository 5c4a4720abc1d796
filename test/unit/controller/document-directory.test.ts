import { execFile } from "node:child_process";
import { mkdir, open, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { DocumentDirectory, type DirectoryReading } from "../../../controller/document-directory.ts";
import { nodeText, podText } from "../../support/cluster-documents.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const LONG_AGO = new Date(Date.now() - 60_000);

async function settled(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await utimes(path, LONG_AGO, LONG_AGO);
}

function names(t: ExecutionContext, reading: DirectoryReading): string[] {
  if (reading.state === undefined) {
    t.fail("nothing changed");
    return [];
  }
  return reading.state.documents.map((document) => document.metadata.name);
}

function problems(reading: DirectoryReading): readonly string[] {
  return reading.state?.problems ?? [];
}

test("documents of all files are one state; hidden and other files are left out", async (t) => {
  const path = await temporaryDirectory(t);
  await settled(join(path, "b.yaml"), podText("catalog-1", "node-1", "10.244.1.2"));
  await settled(join(path, "a.yml"), nodeText("node-1", 1));
  await settled(join(path, ".hidden.yaml"), "nonsense: [");
  await settled(join(path, "notes.txt"), "nonsense: [");
  t.deepEqual(names(t, await new DocumentDirectory(path).read(true)), ["node-1", "catalog-1"]);
});

test("nothing is reported when nothing changed", async (t) => {
  const path = await temporaryDirectory(t);
  await settled(join(path, "a.yaml"), nodeText("node-1", 1));
  const directory = new DocumentDirectory(path);
  await directory.read(true);
  t.deepEqual(await directory.read(true), { state: undefined, unsettled: [] });
  await settled(join(path, "b.yaml"), nodeText("node-2", 2));
  t.deepEqual(names(t, await directory.read(true)), ["node-1", "node-2"]);
  await rm(join(path, "a.yaml"));
  t.deepEqual(names(t, await directory.read(true)), ["node-2"]);
});

test("an empty directory is a state", async (t) => {
  t.deepEqual(names(t, await new DocumentDirectory(await temporaryDirectory(t)).read(true)), []);
});

test("a file that was written just now is not read, unless patience is over", async (t) => {
  const path = await temporaryDirectory(t);
  await writeFile(join(path, "a.yaml"), nodeText("node-1", 1));
  await utimes(join(path, "a.yaml"), new Date(), new Date());
  const directory = new DocumentDirectory(path);
  t.deepEqual(await directory.read(true), { state: undefined, unsettled: ["a.yaml"] });
  t.deepEqual(names(t, await directory.read(false)), ["node-1"]);
});

test("a file that lost all its text is given more time", async (t) => {
  const path = await temporaryDirectory(t);
  await settled(join(path, "a.yaml"), nodeText("node-1", 1));
  const directory = new DocumentDirectory(path);
  await directory.read(true);
  await writeFile(join(path, "a.yaml"), "");
  const halfASecondAgo = new Date(Date.now() - 500);
  await utimes(join(path, "a.yaml"), halfASecondAgo, halfASecondAgo);
  t.deepEqual(await directory.read(true), { state: undefined, unsettled: ["a.yaml"] });
  await utimes(join(path, "a.yaml"), LONG_AGO, LONG_AGO);
  t.deepEqual(names(t, await directory.read(true)), []);
});

test("problems of all files are told at once, with their files", async (t) => {
  const path = await temporaryDirectory(t);
  await settled(join(path, "a.yaml"), nodeText("node-1", 1).replace("spec", "spek"));
  await settled(join(path, "b.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: { name: [");
  const found = problems(await new DocumentDirectory(path).read(true));
  t.true(
    found.some((problem) => problem.startsWith("a.yaml:4:1 ")),
    found.join("\n"),
  );
  t.true(
    found.some((problem) => problem.startsWith("b.yaml:")),
    found.join("\n"),
  );
});

test("a 50 MB file is refused without being read", async (t) => {
  const path = await temporaryDirectory(t);
  const file = await open(join(path, "huge.yaml"), "w");
  await file.truncate(50 * 1024 * 1024);
  await file.close();
  await utimes(join(path, "huge.yaml"), LONG_AGO, LONG_AGO);
  const found = problems(await new DocumentDirectory(path).read(true));
  t.regex(found[0] ?? "", /^huge\.yaml:1:1.* 52428800 bytes/);
});

test("a FIFO, a directory and a dangling link neither block nor end the reading", async (t) => {
  const path = await temporaryDirectory(t);
  await promisify(execFile)("mkfifo", [join(path, "fifo.yaml")]);
  await mkdir(join(path, "directory.yaml"));
  await symlink(join(path, "nowhere"), join(path, "dangling.yaml"));
  await settled(join(path, "good"), nodeText("node-1", 1));
  await symlink(join(path, "good"), join(path, "link.yaml"));
  const reading = await new DocumentDirectory(path).read(true);
  t.deepEqual(names(t, reading), ["node-1"]);
  t.deepEqual(problems(reading), ["directory.yaml:1:1: is not a regular file", "fifo.yaml:1:1: is not a regular file"]);
});

test("a directory that is not there is an error, not an empty state", async (t) => {
  const path = join(await temporaryDirectory(t), "nowhere");
  await t.throwsAsync(new DocumentDirectory(path).read(true), { code: "ENOENT" });
});

test("who knows which files changed has only these looked at", async (t) => {
  const path = await temporaryDirectory(t);
  await settled(join(path, "a.yaml"), nodeText("node-1", 1));
  await settled(join(path, "b.yaml"), nodeText("node-2", 2));
  const directory = new DocumentDirectory(path);
  const first = await directory.read(true);
  await settled(join(path, "b.yaml"), nodeText("node-3", 3));
  t.deepEqual(await directory.readFiles(["a.yaml"], () => true), { state: undefined, unsettled: [] });
  const second = await directory.readFiles(["b.yaml"], () => true);
  t.deepEqual(names(t, second), ["node-1", "node-3"]);
  t.is(second.state?.documents[0], first.state?.documents[0]);
  await rm(join(path, "b.yaml"));
  t.deepEqual(names(t, await directory.readFiles(["b.yaml", "never.yaml"], () => true)), ["node-1"]);
});

test("a busy file is left as it was, the others are taken", async (t) => {
  const path = await temporaryDirectory(t);
  await settled(join(path, "a.yaml"), nodeText("node-1", 1));
  const directory = new DocumentDirectory(path);
  await directory.read(true);
  await settled(join(path, "b.yaml"), nodeText("node-2", 2));
  await writeFile(join(path, "a.yaml"), nodeText("node-9", 9));
  await utimes(join(path, "a.yaml"), new Date(), new Date());
  const reading = await directory.readFiles(["a.yaml", "b.yaml"], () => true);
  t.deepEqual(reading.unsettled, ["a.yaml"]);
  t.deepEqual(names(t, reading), ["node-1", "node-2"]);
  t.deepEqual(names(t, await directory.readFiles(["a.yaml"], () => false)), ["node-9", "node-2"]);
});

test("files of a directory that went away are not gone", async (t) => {
  const path = join(await temporaryDirectory(t), "documents");
  await mkdir(path);
  await settled(join(path, "a.yaml"), nodeText("node-1", 1));
  const directory = new DocumentDirectory(path);
  await directory.read(true);
  await rm(path, { recursive: true });
  await t.throwsAsync(
    directory.readFiles(["a.yaml"], () => true),
    { code: "ENOENT" },
  );
});
