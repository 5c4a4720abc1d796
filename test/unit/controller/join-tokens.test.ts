import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { JoinTokens } from "../../../controller/join-tokens.ts";
import { RecordingLog } from "../../support/recording-log.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

async function bench(t: ExecutionContext): Promise<{ tokens: JoinTokens; directory: string; log: RecordingLog }> {
  const directory = join(await temporaryDirectory(t), "tokens");
  const log = new RecordingLog();
  return { tokens: new JoinTokens({ directory, log }), directory, log };
}

test("every node has a token of its own, in a file for its owner only", async (t) => {
  const { tokens, directory } = await bench(t);
  await tokens.setNodes(new Set(["node-1", "node-2"]));
  t.deepEqual(await readdir(directory), ["node-1", "node-2"]);
  t.is((await stat(join(directory, "node-1"))).mode & 0o777, 0o600);
  const token = (await readFile(join(directory, "node-1"), "utf8")).trim();
  t.deepEqual(await tokens.authenticate(token), { node: "node-1" });
  t.true(Buffer.from(token, "base64url").length === 32);
});

test("another text, a part of a token and nothing are no tokens", async (t) => {
  const { tokens, directory } = await bench(t);
  t.true("refused" in (await tokens.authenticate("")));
  await tokens.setNodes(new Set(["node-1"]));
  const token = (await readFile(join(directory, "node-1"), "utf8")).trim();
  for (const wrong of ["", "x", token.slice(1), `${token}x`]) t.true("refused" in (await tokens.authenticate(wrong)));
});

test("tokens outlive a restart", async (t) => {
  const { tokens, directory, log } = await bench(t);
  await tokens.setNodes(new Set(["node-1"]));
  const token = (await readFile(join(directory, "node-1"), "utf8")).trim();
  const next = new JoinTokens({ directory, log });
  await next.setNodes(new Set(["node-1"]));
  t.deepEqual(await next.authenticate(token), { node: "node-1" });
});

test("a token is void as soon as its node is gone, and a node that comes back has another", async (t) => {
  const { tokens, directory } = await bench(t);
  await tokens.setNodes(new Set(["node-1"]));
  const token = (await readFile(join(directory, "node-1"), "utf8")).trim();
  const gone = tokens.setNodes(new Set());
  t.true("refused" in (await tokens.authenticate(token)));
  await gone;
  t.deepEqual(await readdir(directory), []);
  await tokens.setNodes(new Set(["node-1"]));
  t.true("refused" in (await tokens.authenticate(token)));
});

test("a file that was cut off is replaced: an empty token opens nothing", async (t) => {
  const { tokens, directory } = await bench(t);
  await mkdir(directory);
  await writeFile(join(directory, "node-1"), "\n");
  await tokens.setNodes(new Set(["node-1"]));
  t.true("refused" in (await tokens.authenticate("")));
  t.is((await readFile(join(directory, "node-1"), "utf8")).trim().length, 43);
});

test("a name that would leave the directory is refused", async (t) => {
  const { tokens, directory, log } = await bench(t);
  await tokens.setNodes(new Set(["../escaped", "node-1"]));
  t.deepEqual(await readdir(directory), ["node-1"]);
  t.is(log.lines.length, 1);
});

test("a directory that cannot be written is told, and no secret with it", async (t) => {
  const { tokens, directory, log } = await bench(t);
  await writeFile(directory, "a file in its place");
  await tokens.setNodes(new Set(["node-1"]));
  t.true(log.lines.length > 0);
  t.true(log.lines.every((line) => line.level === "error"));
});
