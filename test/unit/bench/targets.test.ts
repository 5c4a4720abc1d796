/** Which targets a run can be judged by, and how. */
import test from "ava";
import type { Figure, LoadResult } from "../../../bench/bench-result.ts";
import type { MetricName } from "../../../bench/metrics.ts";
import { judgeTargets } from "../../../bench/targets.ts";

function load(id: string, metric: MetricName, ratios: Pick<Figure, "toBestPeer" | "toDirect">): LoadResult {
  const figure: Figure = { median: 1, least: 1, most: 1, noisy: false, ...ratios };
  return {
    id,
    title: id,
    metrics: [metric],
    results: [{ variant: "hawser", figures: { [metric]: figure } }],
    slices: [],
  };
}

test("a target is met by a ratio on its right side", (t) => {
  const judge = (toBestPeer: number) => judgeTargets([load("calls-64", "callsPerSecond", { toBestPeer })], [], 1);
  t.like(judge(1.4), [{ wanted: ">= 1.4", reached: 1.4, met: true }]);
  t.like(judge(1.39), [{ met: false }]);
});

test("a target with two sides is met between them", (t) => {
  const judge = (toDirect: number) =>
    judgeTargets([load("same-node-1", "callsPerSecond", { toDirect })], [], 1)[0]?.met;
  t.true(judge(1));
  t.false(judge(0.8));
  t.false(judge(1.2));
});

test("a run without peers, or without Hawser, is not judged by ratios to peers", (t) => {
  t.deepEqual(judgeTargets([load("calls-64", "callsPerSecond", { toDirect: 0.5 })], [], 1), []);
});

test("the larger agent counts for idle memory, and only with one worker", (t) => {
  const idle = {
    client: { residentMb: 80, cpuPercent: 0 },
    server: { residentMb: 95, cpuPercent: 0 },
  };
  const variants = [{ name: "hawser", title: "Hawser", idle }] as const;
  t.like(judgeTargets([], variants, 1), [{ id: "idle-agent-memory", reached: 95, met: false }]);
  t.deepEqual(judgeTargets([], variants, 2), []);
});
