import test from "ava";
import { describeValue, formatPath, quote } from "../../../../protocol/documents/problem.ts";

test("a path is written as a person would", (t) => {
  t.is(formatPath([]), "");
  t.is(formatPath(["spec", "containers", 0, "name"]), "spec.containers[0].name");
  t.is(formatPath(["metadata", "labels", "app.kubernetes.io/name"]), 'metadata.labels["app.kubernetes.io/name"]');
  t.is(formatPath([0, "a"]), "[0].a");
});

test("a value is called what it is, shortened and on one line", (t) => {
  t.deepEqual([undefined, null, [], {}, 5, true, "a\nb"].map(describeValue), [
    "nothing",
    "an empty value",
    "a list",
    "a mapping",
    "number 5",
    "true",
    'text "a\\nb"',
  ]);
  t.is(quote("x".repeat(1000)).length, 63);
});
