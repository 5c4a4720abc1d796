import test from "ava";
import { findImports, withoutComments } from "./source-text.ts";

test("imports in every form are found with their line", (t) => {
  const text = [
    '/** import { no } from "./comment.ts"; */',
    'import "reflect-metadata";',
    'import fc from "fast-check";',
    'import { a, b } from "./values.ts";',
    "import {",
    "  c,",
    "  d,",
    '} from "./lines.ts";',
    'import type { E } from "./types.ts";',
    'import { type F, type G } from "./inline-types.ts";',
    'import { type H, i } from "./mixed.ts";',
    'export { j } from "./again.ts";',
    '// import { no } from "./line-comment.ts";',
    'const k = await import("./dynamic.ts");',
    'new Worker(new URL("./worker.ts", import.meta.url));',
  ].join("\n");
  t.deepEqual(
    findImports(text).map(({ line, specifier, typeOnly }) => `${line} ${specifier}${typeOnly ? " type" : ""}`),
    [
      "2 reflect-metadata",
      "3 fast-check",
      "4 ./values.ts",
      "5 ./lines.ts",
      "9 ./types.ts type",
      "10 ./inline-types.ts",
      "11 ./mixed.ts",
      "12 ./again.ts",
      "14 ./dynamic.ts",
      "15 ./worker.ts",
    ],
  );
});

test("comments go, strings that look like comments stay, lines keep their numbers", (t) => {
  const text = 'const url = "http://a/*b*/"; // gone\n/* gone\ngone */ const pattern = /\\/\\*"/;\nlast';
  t.is(withoutComments(text), 'const url = "http://a/*b*/"; \n\n const pattern = /\\/\\*"/;\nlast');
});
