/** Medians and ratios of a load's slices. */
import test from "ava";
import type { Slice } from "../../../bench/bench-result.ts";
import type { MetricValues } from "../../../bench/metrics.ts";
import { NOISY_SPREAD, NOISY_TAKEN, summariseLoad } from "../../../bench/summarise.ts";
import type { VariantName } from "../../../bench/variants.ts";

const QUIET = { user: 0.5, system: 0.3, interrupts: 0, steal: 0, idle: 0.2, others: 0 };

function slice(variant: VariantName, round: number, values: MetricValues, machine = QUIET): Slice {
  return { variant, round, values, machine };
}

function figureOf(slices: readonly Slice[], variant: VariantName, metric: keyof MetricValues) {
  return summariseLoad(slices, [metric]).find((result) => result.variant === variant)?.figures[metric];
}

test("a ratio is taken within each round, and the median of these is told", (t) => {
  // The machine is twice as fast in the second round: the ratio does not care.
  const slices = [100, 200, 300].flatMap((rate, round) => [
    slice("hawser", round, { callsPerSecond: rate * 2 }),
    slice("haproxy", round, { callsPerSecond: rate }),
  ]);
  const figure = figureOf(slices, "hawser", "callsPerSecond");
  t.is(figure?.toBestPeer, 2);
  t.is(figure?.median, 400);
});

test("the best peer is the one with the most where more is better, and with the least where less is", (t) => {
  const slices = [
    slice("hawser", 0, { callsPerSecond: 100, cpuUs: 10 }),
    slice("nginx", 0, { callsPerSecond: 50, cpuUs: 20 }),
    slice("envoy", 0, { callsPerSecond: 80, cpuUs: 40 }),
  ];
  t.is(figureOf(slices, "hawser", "callsPerSecond")?.toBestPeer, 1.25);
  t.is(figureOf(slices, "hawser", "cpuUs")?.toBestPeer, 0.5);
  t.is(figureOf(slices, "envoy", "callsPerSecond")?.toBestPeer, 1.6, "a peer is compared with the other peers");
});

test("added latency is what lies above direct calls of the same round", (t) => {
  const slices = [
    slice("direct", 0, { p50Us: 100 }),
    slice("hawser", 0, { p50Us: 160 }),
    slice("nginx", 0, { p50Us: 220 }),
  ];
  t.is(figureOf(slices, "hawser", "addedP50Us")?.median, 60);
  t.is(figureOf(slices, "hawser", "addedP50Us")?.toBestPeer, 0.5);
  t.is(figureOf(slices, "direct", "addedP50Us"), undefined);
});

test("a peer that seems to add nothing is taken for one that adds what a clock can tell", (t) => {
  const slices = [
    slice("direct", 0, { p50Us: 100 }),
    slice("hawser", 0, { p50Us: 130 }),
    slice("nginx", 0, { p50Us: 95 }),
  ];
  t.is(figureOf(slices, "hawser", "addedP50Us")?.toBestPeer, 30);
});

test("rounds that lie far apart are noisy", (t) => {
  const rounds = (spread: number) =>
    [100, 100 * (1 + spread)].map((rate, round) => slice("hawser", round, { callsPerSecond: rate }));
  t.false(figureOf(rounds(NOISY_SPREAD / 2), "hawser", "callsPerSecond")?.noisy);
  t.true(figureOf(rounds(NOISY_SPREAD * 2), "hawser", "callsPerSecond")?.noisy);
});

test("figures of which others took much of the machine are noisy", (t) => {
  for (const taken of [{ steal: NOISY_TAKEN * 2 }, { others: NOISY_TAKEN * 2 }]) {
    const slices = [slice("hawser", 0, { callsPerSecond: 100 }, { ...QUIET, ...taken })];
    t.true(figureOf(slices, "hawser", "callsPerSecond")?.noisy);
  }
});

test("a variant without a figure has no entry, and no ratio to it", (t) => {
  const slices = [slice("direct", 0, { callsPerSecond: 100 }), slice("hawser", 0, { callsPerSecond: 50, cpuUs: 3 })];
  t.is(figureOf(slices, "direct", "cpuUs"), undefined);
  const figure = figureOf(slices, "hawser", "cpuUs");
  t.is(figure?.toDirect, undefined);
  t.is(figure?.toBestPeer, undefined);
  t.is(figureOf(slices, "hawser", "callsPerSecond")?.toDirect, 0.5);
});
