import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { VolumeDirectory } from "../../../../lab/kubernetes/volume-directory.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

function files(contents: Readonly<Record<string, string>>): ReadonlyMap<string, Buffer> {
  return new Map(Object.entries(contents).map(([name, text]) => [name, Buffer.from(text)]));
}

test("all files of a volume are replaced by one rename, and what is no longer there goes", async (t) => {
  const directory = path.join(await temporaryDirectory(t), "volume");
  const volume = new VolumeDirectory(directory);
  volume.write(files({ token: "one", "deep/ca.crt": "root" }));
  t.is(readFileSync(path.join(directory, "token"), "utf8"), "one");
  t.is(readFileSync(path.join(directory, "deep/ca.crt"), "utf8"), "root");
  const first = readlinkSync(path.join(directory, "..data"));
  volume.write(files({ token: "two" }));
  t.is(readFileSync(path.join(directory, "token"), "utf8"), "two");
  t.not(readlinkSync(path.join(directory, "..data")), first);
  t.false(existsSync(path.join(directory, "deep")));
  t.deepEqual(readdirSync(directory).toSorted(), ["..2", "..data", "token"]);
});

test("equal contents are not written again", async (t) => {
  const volume = new VolumeDirectory(path.join(await temporaryDirectory(t), "volume"));
  volume.write(files({ token: "one" }));
  const before = readlinkSync(path.join(volume.path, "..data"));
  volume.write(files({ token: "one" }));
  t.is(readlinkSync(path.join(volume.path, "..data")), before);
});
