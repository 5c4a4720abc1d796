import test from "ava";
import { drawFaults } from "../../../../../agent/http/protect/draw-faults.ts";
import type { Fault } from "../../../../../protocol/route-table.ts";

const NOW_MS = 1_000_000;

function fault(fields: Partial<Fault>): Fault {
  return { policy: "shop/p", scope: "Service shop/s", percent: 100, untilMs: NOW_MS + 1, ...fields };
}

function draw(faults: readonly Fault[], random = 0, isSatisfied = true) {
  return drawFaults(faults, { nowMs: NOW_MS, random: () => random, isSatisfied: () => isSatisfied });
}

test("a share of the requests gets it", (t) => {
  const faults = [fault({ percent: 10, delayMs: 5 })];
  t.like(draw(faults, 0.0999), { delay: { delayMs: 5 } });
  t.is(draw(faults, 0.1), undefined);
  t.is(draw([fault({ percent: 0, delayMs: 5 })], 0), undefined);
  t.truthy(draw([fault({ delayMs: 5 })], 0.999999));
});

test("it ends at its time, by the wall clock", (t) => {
  t.is(draw([fault({ delayMs: 5, untilMs: NOW_MS })]), undefined);
});

test("only those get it that it is for, and no dice are thrown for others", (t) => {
  const faults = [fault({ percent: 50, when: { namespaces: ["team"] }, delayMs: 5 })];
  t.truthy(draw(faults, 0, true));
  let thrown = 0;
  const random = () => (thrown += 1);
  t.is(drawFaults(faults, { nowMs: NOW_MS, random, isSatisfied: () => false }), undefined);
  t.is(thrown, 0);
});

test("of several, the longest delay, the first abort and the narrowest bandwidth hold", (t) => {
  const drawn = draw([
    fault({ delayMs: 5, bytesPerSecond: 100 }),
    fault({ delayMs: 7, abort: { status: 503 } }),
    fault({ delayMs: 6, abort: { status: 418 }, bytesPerSecond: 10 }),
    fault({ untilMs: 0, delayMs: 1_000, bytesPerSecond: 1 }),
  ]);
  t.like(drawn, {
    delay: { delayMs: 7 },
    abort: { abort: { status: 503 } },
    bandwidth: { bytesPerSecond: 10 },
  });
});

test("nothing to draw from", (t) => {
  t.is(draw([]), undefined);
});
