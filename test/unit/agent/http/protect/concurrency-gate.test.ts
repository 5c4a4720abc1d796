import test from "ava";
import fc from "fast-check";
import {
  ConcurrencyGate,
  type GatePlace,
  type GateSettings,
} from "../../../../../agent/http/protect/concurrency-gate.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

const SETTINGS: GateSettings = { maxRequests: 2, maxWaiting: 2, maxWaitMs: 1_000 };

function setUp(settings: Partial<GateSettings> = {}) {
  const clock = new FakeClock();
  const gate = new ConcurrencyGate(clock, { ...SETTINGS, ...settings });
  const told: string[] = [];
  const enter = (name: string): GatePlace | undefined =>
    gate.enter({ admitted: () => told.push(`${name} admitted`), timedOut: () => told.push(`${name} timed out`) });
  return { clock, gate, told, enter };
}

test("so many go in at once, so many wait, all others are turned away", (t) => {
  const { gate, told, enter } = setUp();
  const places = ["a", "b", "c", "d", "e"].map(enter);
  t.deepEqual(
    places.map((place) => place?.isInside),
    [true, true, false, false, undefined],
  );
  t.deepEqual(gate.read(), { inside: 2, maxRequests: 2, waiting: 2, maxWaiting: 2 });
  t.deepEqual(told, [], "nobody is called from within enter");
});

test("whoever came first goes in first, and nobody overtakes", (t) => {
  const { told, enter } = setUp({ maxRequests: 1 });
  const [a, b] = ["a", "b", "c"].map(enter);
  a?.leave();
  t.deepEqual(told, ["b admitted"]);
  t.true(b?.isInside);
  t.false(enter("d")?.isInside);
  b?.leave();
  t.deepEqual(told, ["b admitted", "c admitted"]);
});

test("who leaves the line makes place in it, and is not called", (t) => {
  const { gate, told, enter } = setUp({ maxRequests: 1 });
  const [a, b, c] = ["a", "b", "c"].map(enter);
  b?.leave();
  b?.leave();
  t.is(gate.waiting, 1);
  a?.leave();
  t.deepEqual(told, ["c admitted"]);
  c?.leave();
  t.deepEqual([gate.inside, gate.waiting], [0, 0]);
});

test("whoever waits too long is turned away, each at its own time, and no timer is left", (t) => {
  const { clock, gate, told, enter } = setUp({ maxRequests: 1 });
  const a = enter("a");
  enter("b");
  clock.advance(400);
  const c = enter("c");
  clock.advance(599);
  t.deepEqual(told, []);
  clock.advance(1);
  t.deepEqual(told, ["b timed out"]);
  clock.advance(399);
  a?.leave();
  t.deepEqual(told, ["b timed out", "c admitted"]);
  t.is(clock.pendingTimers, 0);
  c?.leave();
  t.deepEqual([gate.inside, gate.waiting], [0, 0]);
});

test("with no line, and with one that may not wait", (t) => {
  const none = setUp({ maxRequests: 1, maxWaiting: 0 });
  none.enter("a");
  t.is(none.enter("b"), undefined);
  const short = setUp({ maxRequests: 1, maxWaitMs: 0 });
  short.enter("a");
  t.false(short.enter("b")?.isInside);
  short.clock.advance(0);
  t.deepEqual(short.told, ["b timed out"]);
});

test("other numbers: more go in at once; fewer, and those inside stay until they leave", (t) => {
  const { clock, gate, told, enter } = setUp();
  const places = ["a", "b", "c", "d"].map(enter);
  gate.adapt({ ...SETTINGS, maxRequests: 3 });
  t.deepEqual(told, ["c admitted"]);
  gate.adapt({ ...SETTINGS, maxRequests: 1, maxWaitMs: 100 });
  t.is(gate.inside, 3);
  places[0]?.leave();
  t.deepEqual(told, ["c admitted"]);
  clock.advance(100);
  t.deepEqual(told, ["c admitted", "d timed out"]);
  gate.adapt({ maxRequests: Infinity, maxWaiting: 0, maxWaitMs: 0 });
  t.true(enter("e")?.isInside);
  t.is(clock.pendingTimers, 0);
});

test("a long line of requests that fail at once is no deep stack", (t) => {
  const gate = new ConcurrencyGate(new FakeClock(), { maxRequests: 1, maxWaiting: 100_000, maxWaitMs: 1_000 });
  const first = gate.enter({ admitted: () => {}, timedOut: () => {} });
  let admitted = 0;
  for (let count = 0; count < 100_000; count += 1) {
    const place = gate.enter({
      admitted: () => {
        admitted += 1;
        place?.leave();
      },
      timedOut: () => {},
    });
  }
  first?.leave();
  t.is(admitted, 100_000);
  t.deepEqual([gate.inside, gate.waiting], [0, 0]);
});

test("a visitor that throws costs nobody else the place", (t) => {
  const { gate, told, enter } = setUp({ maxRequests: 1 });
  const a = enter("a");
  const bad = gate.enter({
    admitted: () => {
      throw new Error("no");
    },
    timedOut: () => {},
  });
  enter("c");
  t.throws(() => a?.leave(), { message: "no" });
  bad?.leave();
  t.deepEqual(told, ["c admitted"]);
});

type Step =
  | { readonly kind: "enter" }
  | { readonly kind: "leave"; readonly which: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "adapt"; readonly settings: GateSettings };

const settingsArb = fc.record({
  maxRequests: fc.integer({ min: 1, max: 4 }),
  maxWaiting: fc.integer({ min: 0, max: 4 }),
  maxWaitMs: fc.integer({ min: 0, max: 50 }),
});
const stepArb: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ kind: "enter" }) },
  { weight: 3, arbitrary: fc.nat(20).map((which): Step => ({ kind: "leave", which })) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 30 }).map((ms): Step => ({ kind: "pass", ms })) },
  { weight: 1, arbitrary: settingsArb.map((settings): Step => ({ kind: "adapt", settings })) },
);

test("never more inside than allowed when one goes in, in order, and none is forgotten", (t) => {
  fc.assert(
    fc.property(settingsArb, fc.array(stepArb, { maxLength: 60 }), (settings, steps) => {
      const clock = new FakeClock();
      const gate = new ConcurrencyGate(clock, settings);
      let present = settings;
      const places: { readonly place: GatePlace; state: "waiting" | "inside" | "gone" }[] = [];
      const admittedOrder: number[] = [];
      const step = (one: Step): void => {
        if (one.kind === "pass") clock.advance(one.ms);
        else if (one.kind === "adapt") {
          present = one.settings;
          gate.adapt(present);
        } else if (one.kind === "leave") {
          const entry = places[one.which];
          if (entry === undefined) return;
          entry.state = "gone";
          entry.place.leave();
        } else {
          const index = places.length;
          const before = gate.inside;
          const place = gate.enter({
            admitted: () => {
              t.true(gate.inside <= present.maxRequests);
              t.is(places[index]?.state, "waiting");
              (places[index] as { state: string }).state = "inside";
              admittedOrder.push(index);
            },
            timedOut: () => {
              t.is(places[index]?.state, "waiting");
              (places[index] as { state: string }).state = "gone";
            },
          });
          if (place === undefined) return;
          if (place.isInside) t.true(before < present.maxRequests);
          places.push({ place, state: place.isInside ? "inside" : "waiting" });
        }
      };
      for (const one of steps) {
        step(one);
        const count = (state: string) => places.filter((entry) => entry.state === state).length;
        t.is(gate.inside, count("inside"));
        t.is(gate.waiting, count("waiting"));
        if (gate.waiting > 0) t.true(gate.inside >= present.maxRequests, "nobody waits for a free place");
      }
      t.deepEqual(
        admittedOrder,
        admittedOrder.toSorted((a, b) => a - b),
      );
      for (const { place } of places) place.leave();
      clock.advance(1_000);
      t.deepEqual([gate.inside, gate.waiting, clock.pendingTimers], [0, 0, 0]);
    }),
    { numRuns: 500 },
  );
});
