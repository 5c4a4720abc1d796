import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { temporaryPath, writeFileAtomic } from "../../../core/write-file-atomic.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

test("a file is replaced whole, for its owner only unless said otherwise, and nothing is left beside it", async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, "file");
  await writeFile(path, "a much longer old text");
  await writeFileAtomic(path, "new");
  t.is(await readFile(path, "utf8"), "new");
  t.is((await stat(path)).mode & 0o777, 0o600);
  await writeFileAtomic(path, "public", { mode: 0o644 });
  t.is((await stat(path)).mode & 0o777, 0o644);
  t.deepEqual(await readdir(directory), ["file"]);
});

test("a write that fails leaves the old file, and a directory in its way with all that is in it", async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, "file");
  await writeFile(path, "old");
  const obstacle = temporaryPath(join(directory, "file"));
  await mkdir(obstacle);
  await writeFile(join(obstacle, "inside"), "");
  await t.throwsAsync(writeFileAtomic(path, "new"));
  t.is(await readFile(path, "utf8"), "old");
  t.deepEqual(await readdir(obstacle), ["inside"]);
});

test("a link that someone put in the temporary file's place is not followed", async (t) => {
  const directory = await temporaryDirectory(t);
  const victim = join(directory, "victim");
  await writeFile(victim, "untouched");
  await symlink(victim, temporaryPath(join(directory, "file")));
  await writeFileAtomic(join(directory, "file"), "new");
  t.is(await readFile(victim, "utf8"), "untouched");
  t.is(await readFile(join(directory, "file"), "utf8"), "new");
});

test("two programs with the same process id, as in two containers, do not meet in one temporary file", async (t) => {
  const path = join(await temporaryDirectory(t), "file");
  // Loaded anew, a module is what it is in another process.
  const address = "../../../core/write-file-atomic.ts?another";
  const another = (await import(address)) as { writeFileAtomic: typeof writeFileAtomic };
  const [one, two] = ["1", "2"].map((digit) => digit.repeat(300_000));
  for (let round = 0; round < 20; round += 1) {
    await Promise.all([writeFileAtomic(path, one ?? ""), another.writeFileAtomic(path, two ?? "")]);
    const text = await readFile(path, "utf8");
    t.true(text === one || text === two);
  }
});
