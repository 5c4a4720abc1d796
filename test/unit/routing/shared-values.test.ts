import test from "ava";
import { MAX_SHARED_RECORDS } from "../../../routing/limits.ts";
import { SharedValues } from "../../../routing/shared-values.ts";
import { endpointEntry, workloadEntry } from "./sample-table.ts";

test("entries are the same, and equal parts of them one object", (t) => {
  const shared = new SharedValues();
  const labels = (): Record<string, string> => ({ app: "web" });
  const first = workloadEntry("a/p1", "n1", { labels: labels() });
  const second = workloadEntry("a/p2", "n1", { labels: labels() });
  const held = [shared.entry("workload", first), shared.entry("workload", second)];
  t.deepEqual(held, [first, second]);
  t.is(held[0]?.labels, held[1]?.labels);

  const endpoints = ["a/p1", "a/p2"].map((pod) => shared.entry("endpoint", endpointEntry("a/web", pod, {})));
  t.deepEqual(endpoints, [endpointEntry("a/web", "a/p1", {}), endpointEntry("a/web", "a/p2", {})]);
  t.is(endpoints[0]?.ports, endpoints[1]?.ports);
});

test("different parts stay different", (t) => {
  const shared = new SharedValues();
  t.deepEqual(shared.record({ 80: 8080 }), { 80: 8080 });
  t.deepEqual(shared.record({ 80: 8081 }), { 80: 8081 });
  t.deepEqual(shared.record({ 80: "8080" }), { 80: "8080" });
});

test("whoever is full starts over", (t) => {
  const shared = new SharedValues();
  const first = shared.record({ app: "web" });
  t.is(shared.record({ app: "web" }), first);
  for (let number = 0; number < MAX_SHARED_RECORDS; number += 1) shared.record({ number });
  const again = { app: "web" };
  t.is(shared.record(again), again);
});
