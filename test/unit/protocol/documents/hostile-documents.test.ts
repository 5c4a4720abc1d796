import test from "ava";
import fc from "fast-check";
import {
  MAX_DOCUMENT_CHARACTERS,
  MAX_DOCUMENTS_PER_FILE,
  MAX_FILE_BYTES,
  MAX_PROBLEMS_PER_FILE,
} from "../../../../protocol/documents/limits.ts";
import { fileTooLarge, parseDocuments } from "../../../../protocol/documents/parse-documents.ts";
import { formatProblem } from "../../../../protocol/documents/problem.ts";
import { EVERY_KIND, MESH, NODE, POD } from "./sample-documents.ts";

const problemsOf = (text: string): string[] => parseDocuments(text, "f.yaml").problems.map(formatProblem);

const bomb = (levels: number) =>
  ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    .concat(
      Array.from({ length: levels }, (_, i) => {
        const [of, name] = [String.fromCharCode(97 + i), String.fromCharCode(98 + i)];
        return `${name}: &${name} [${Array.from({ length: 10 }, () => `*${of}`).join(",")}]`;
      }),
    )
    .join("\n");

test("an alias bomb is told at the alias, and harms nobody else", (t) => {
  const { documents, problems } = parseDocuments(`${NODE}---\n${bomb(9)}\n---\n${POD}`, "f.yaml");
  t.is(documents.length, 2);
  t.is(problems.length, 1);
  t.like(problems[0], { code: "alias-bomb", line: 19, column: 29 });
  t.is(problems[0]?.found, "more than 10000 values with aliases expanded");
});

test("a value that contains itself is told", (t) => {
  t.deepEqual(problemsOf("a: &a\n  b: [1, *a]\n"), [
    "f.yaml:2:10 a.b[1]: expected a value that ends, found alias *a inside its own value",
  ]);
});

test("an alias without an anchor is told", (t) => {
  t.deepEqual(problemsOf("a: *b\nb: &b 1\n"), [
    "f.yaml:1:4 a: expected an anchor of that name before its alias, found alias *b",
  ]);
});

test("a file of 50 MB is refused at once, by its text and by its size", (t) => {
  const startMs = performance.now();
  const { documents, problems } = parseDocuments("a: b\n".repeat(10_000_000), "big.yaml");
  t.true(performance.now() - startMs < 1000);
  t.deepEqual(documents, []);
  const expected = `big.yaml:1:1: expected at most ${MAX_FILE_BYTES} bytes in a file, found 50000000 bytes, divide it into several files`;
  t.deepEqual(problems.map(formatProblem), [expected]);
  t.deepEqual(problems, [fileTooLarge("big.yaml", 50_000_000)]);
});

test("a document that is too long is told where it begins", (t) => {
  const text = `${NODE}---\n${"# filler\n".repeat(MAX_DOCUMENT_CHARACTERS / 9 + 1)}---\n${POD}`;
  t.like(parseDocuments(text, "f").problems, [{ code: "document-too-large", line: 15, column: 1 }]);
});

test("too many documents are told where they begin to be too many", (t) => {
  const { problems } = parseDocuments("---\n".repeat(MAX_DOCUMENTS_PER_FILE + 5), "f");
  t.like(problems, [{ code: "file-too-large", line: MAX_DOCUMENTS_PER_FILE + 1 }]);
});

test("depth without end is told", (t) => {
  for (const text of ["[".repeat(50_000), "{a: ".repeat(20_000), "- ".repeat(40_000), "? ".repeat(40_000)]) {
    const { documents, problems } = parseDocuments(text, "f");
    t.deepEqual(documents, []);
    t.true(problems.length > 0 && problems.length <= 10, `${problems.length}`);
  }
  const deep = Array.from({ length: 60 }, (_, i) => `${" ".repeat(i)}a:\n`).join("");
  t.like(parseDocuments(deep, "f").problems, [{ code: "too-deep", line: 34, column: 34 }]);
});

test("after a few hundred problems reading stops and says so", (t) => {
  const { problems } = parseDocuments("kind: Pood\n---\n".repeat(5000), "f.yaml");
  t.is(problems.length, MAX_PROBLEMS_PER_FILE + 1);
  t.is(problems.map(formatProblem).at(-1), "f.yaml:401:7: more than 200 problems, the rest of the file was not read");
});

test("a text that ends too early in a bracket or a quote is told at its end", (t) => {
  t.deepEqual(problemsOf(MESH.slice(0, MESH.indexOf("22") + 2)), [
    "f.yaml:17:15: Flow sequence in block collection must be sufficiently indented and end with a ], found the end of the text",
  ]);
  t.deepEqual(problemsOf(POD.slice(0, POD.indexOf("True") + 2)), [
    'f.yaml:43:18: Missing closing "quote, found the end of the text',
  ]);
});

/** Whatever the text: no exception, and every problem complete and inside the text. */
function check(t: { true(value: boolean, message?: string): unknown }, text: string): void {
  const { documents, problems } = parseDocuments(text, "f");
  const lines = text.split("\n");
  for (const problem of problems) {
    const line = lines[problem.line - 1];
    t.true(line !== undefined && problem.column >= 1 && problem.column <= line.length + 1, formatProblem(problem));
    t.true(problem.found !== "" && problem.expected !== "" && problem.message !== "");
    t.true(!/[\n\r]/.test(formatProblem(problem)), "one line per problem");
  }
  for (const { source } of documents) t.true(source.locate(["metadata", "name"]).line <= lines.length);
}

test("a text cut off anywhere gives problems or documents, never an exception", (t) => {
  for (let end = 0; end <= EVERY_KIND.length; end += 3) check(t, EVERY_KIND.slice(0, end));
});

test("a Mesh that is cut off never takes the defaults into force for want of its spec", (t) => {
  for (let end = 0; end < MESH.indexOf("trustDomain"); end += 1) {
    t.deepEqual(parseDocuments(MESH.slice(0, end), "f").documents, []);
  }
});

test("random text gives problems, never an exception", (t) => {
  const yamlish = fc.array(
    fc.constantFrom(
      ...Array.from("abk1:-?,[]{}&*!|>'\"%@`# \n\t~.\\"),
      "kind: Pod",
      "---",
      "...",
      "&a",
      "*a",
      "<<",
      "\r\n",
      "\u0000",
      "\uD800",
      "é",
    ),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        yamlish.map((parts) => parts.join("")),
      ),
      (text) => check(t, text),
    ),
    { numRuns: 2000 },
  );
});

test("a correct text with a random change gives problems or documents, never an exception", (t) => {
  const change = fc.record({
    at: fc.nat(EVERY_KIND.length),
    remove: fc.nat(20),
    insert: fc.oneof(
      fc.constantFrom(
        ":",
        "-",
        "\n",
        " ",
        "\t",
        '"',
        "'",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "!!int ",
        "#",
        "99999999999999999999",
        "~",
      ),
      fc.string({ maxLength: 5 }),
    ),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      let text = EVERY_KIND;
      for (const { at, remove, insert } of changes) text = text.slice(0, at) + insert + text.slice(at + remove);
      check(t, text);
    }),
    { numRuns: 500 },
  );
});

test("any value in a document's place gives problems, never an exception", (t) => {
  const kinds = fc.constantFrom("Node", "Pod", "Service", "Mesh", "TrafficPolicy");
  fc.assert(
    fc.property(kinds, fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (kind, metadata, spec, status) => {
      check(t, JSON.stringify({ apiVersion: "v1", kind, metadata, spec, status }));
    }),
    { numRuns: 500 },
  );
});
