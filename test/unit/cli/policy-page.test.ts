import { readFileSync } from "node:fs";
import test from "ava";
import { EXAMPLES, policyPage } from "../../../cli/policy-page.ts";
import { parseDocuments } from "../../../protocol/documents/parse-documents.ts";

test("docs/traffic-policy.md is what the schemas say (npm run docs)", (t) => {
  t.is(policyPage(), readFileSync("docs/traffic-policy.md", "utf8"));
});

test("every field says what it does and what may be written", (t) => {
  const rows = policyPage()
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));
  t.true(rows.length > 80, `${rows.length} fields`);
  for (const [, name = "", does, value, standard] of rows) {
    t.true(
      [does, value, standard].every((cell) => cell !== undefined && cell !== ""),
      name,
    );
  }
});

test("the examples of the page are correct documents", (t) => {
  const { documents, problems } = parseDocuments(Object.values(EXAMPLES).join("\n---\n"), "page");
  t.deepEqual(problems, []);
  t.is(documents.length, 3);
});
