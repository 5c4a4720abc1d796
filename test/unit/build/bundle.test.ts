import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { bundle } from "../../../build/bundle.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

test("the text of a bundle takes one byte a character, and has lines that a person can look at", async (t) => {
  const directory = await temporaryDirectory(t);
  await bundle(directory);
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".cjs"));
  t.true(files.includes(path.join("agent", "worker-main.cjs")));
  for (const file of files) {
    const text = readFileSync(path.join(directory, file), "utf8");
    t.notRegex(text, /[^\0-\xff]/, file);
    const lines = text.split("\n");
    t.true(text.length / lines.length < 150, file);
  }
});
