import test from "ava";
import fc from "fast-check";
import { type BreakerSettings, CircuitBreaker } from "../../../../../agent/http/protect/circuit-breaker.ts";
import { WINDOW_SLOTS } from "../../../../../agent/http/protect/limits.ts";
import { OutcomeWindow } from "../../../../../agent/http/protect/outcome-window.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

const SETTINGS: BreakerSettings = {
  windowMs: 10_000,
  minRequests: 10,
  errorPercent: 50,
  openMs: 5_000,
  halfOpenRequests: 3,
};

function setUp(settings: Partial<BreakerSettings> = {}) {
  const clock = new FakeClock();
  const states: string[] = [];
  const breaker = new CircuitBreaker(clock, { ...SETTINGS, ...settings }, ({ state, requests, errors }) =>
    states.push(state === "open" ? `open ${errors}/${requests}` : state),
  );
  const request = (outcome: "good" | "bad", count = 1): void => {
    for (let done = 0; done < count; done += 1) {
      const ticket = breaker.enter();
      ticket?.[outcome]();
      ticket?.over();
    }
  };
  return { clock, breaker, states, request };
}

test("it opens at the share of errors, not before there are enough requests", (t) => {
  const { breaker, states, request } = setUp();
  request("bad", 9);
  t.is(breaker.state, "closed");
  request("good");
  t.deepEqual(states, ["open 9/10"]);
  t.is(breaker.enter(), undefined);
  t.is(breaker.closedForMs, 5_000);
});

test("it stays closed below the share", (t) => {
  const { clock, states, request } = setUp();
  for (let round = 0; round < 100; round += 1) {
    request("good", 6);
    request("bad", 4);
    clock.advance(250);
  }
  t.deepEqual(states, []);
});

test("errors that are older than the window have no say", (t) => {
  const { clock, states, request } = setUp();
  request("bad", 9);
  clock.advance(SETTINGS.windowMs);
  request("bad", 9);
  t.deepEqual(states, []);
  clock.advance(SETTINGS.windowMs / 2);
  request("bad");
  t.deepEqual(states, ["open 10/10"]);
});

test("after its time some are let through, and when all are good it closes", (t) => {
  const { clock, breaker, states, request } = setUp();
  request("bad", 10);
  clock.advance(4_999);
  t.is(breaker.enter(), undefined);
  const opened = { requests: 10, errors: 10 };
  t.deepEqual(breaker.read(), { state: "open", ...opened, closedForMs: 1 });
  t.is(breaker.closedForMs, 1);
  clock.advance(1);
  const probes = [breaker.enter(), breaker.enter(), breaker.enter()];
  t.is(breaker.enter(), undefined, "no more than that at a time");
  t.is(breaker.state, "half-open");
  probes[0]?.good();
  probes[1]?.good();
  t.is(breaker.enter(), undefined, "nor in all");
  const soFar = { good: 2, wanted: 3 };
  t.deepEqual(breaker.read(), { state: "half-open", ...opened, closedForMs: 5_000, probes: soFar });
  probes[2]?.good();
  t.is(breaker.state, "closed");
  request("bad", 9);
  t.deepEqual(states, ["open 10/10", "half-open", "closed"], "and it begins anew");
  t.deepEqual(breaker.read(), { state: "closed", requests: 9, errors: 9, closedForMs: 0 });
  clock.advance(SETTINGS.windowMs);
  t.like(breaker.read(), { requests: 0, errors: 0 }, "what is old is not told");
});

test("one bad probe opens it again, for as long", (t) => {
  const { clock, breaker, states, request } = setUp();
  request("bad", 10);
  clock.advance(5_000);
  const [first, second] = [breaker.enter(), breaker.enter()];
  first?.bad();
  t.is(breaker.closedForMs, 5_000);
  second?.good();
  second?.bad();
  t.deepEqual(states, ["open 10/10", "half-open", "open 0/0"]);
});

test("a probe without an outcome gives its turn to another", (t) => {
  const { clock, breaker, states, request } = setUp({ halfOpenRequests: 1 });
  request("bad", 10);
  clock.advance(5_000);
  breaker.enter()?.over();
  t.is(breaker.closedForMs, 0);
  request("good");
  t.deepEqual(states, ["open 10/10", "half-open", "closed"]);
});

test("probes that never end do not keep it half open: others are let through after a while", (t) => {
  const { clock, breaker, states, request } = setUp();
  request("bad", 10);
  clock.advance(5_000);
  const [first] = [breaker.enter(), breaker.enter(), breaker.enter()];
  first?.good();
  clock.advance(4_999);
  t.is(breaker.enter(), undefined);
  clock.advance(1);
  request("good", 2);
  t.deepEqual(states, ["open 10/10", "half-open", "closed"]);
});

test("what was let through before it changed has no say in how it goes on", (t) => {
  const { clock, breaker, states, request } = setUp();
  const early = [breaker.enter(), breaker.enter(), breaker.enter(), breaker.enter()];
  request("bad", 10);
  early[0]?.good();
  clock.advance(5_000);
  breaker.enter();
  early[1]?.bad();
  for (const ticket of early.slice(1)) ticket?.good();
  for (const ticket of early) ticket?.over();
  t.is(breaker.state, "half-open");
  breaker.enter();
  breaker.enter();
  t.is(breaker.enter(), undefined, "nor does it give back a probe's turn");
  t.deepEqual(states, ["open 10/10", "half-open"]);
});

test("an answer that breaks off after it was good is one request and one error", (t) => {
  const { breaker, states } = setUp();
  for (let count = 0; count < 10; count += 1) {
    const ticket = breaker.enter();
    ticket?.good();
    ticket?.good();
    ticket?.bad();
    ticket?.bad();
    ticket?.over();
  }
  // At the tenth request's good head, nine errors.
  t.deepEqual(states, ["open 9/10"]);
});

test("other numbers: they hold at once, with another window from nothing", (t) => {
  const { breaker, states, request, clock } = setUp();
  request("bad", 9);
  breaker.adapt({ ...SETTINGS, minRequests: 5 });
  request("good");
  t.deepEqual(states, ["open 9/10"]);
  breaker.adapt({ ...SETTINGS, openMs: 100 });
  clock.advance(100);
  request("good", 2);
  breaker.adapt({ ...SETTINGS, halfOpenRequests: 2 });
  t.is(breaker.state, "closed");
  request("bad", 9);
  breaker.adapt({ ...SETTINGS, windowMs: 1_000 });
  request("bad", 9);
  t.is(breaker.state, "closed");
});

test("a window has what came in it, give or take one slot", (t) => {
  const event = fc.record({ afterMs: fc.nat(400), isError: fc.boolean() });
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 1_000 }), fc.array(event, { maxLength: 80 }), (windowMs, events) => {
      const window = new OutcomeWindow(windowMs);
      const seen: { readonly atMs: number; readonly isError: boolean }[] = [];
      let nowMs = 0;
      for (const { afterMs, isError } of events) {
        nowMs += afterMs;
        window.add(nowMs, 1, isError ? 1 : 0);
        seen.push({ atMs: nowMs, isError });
        const slotMs = windowMs / WINDOW_SLOTS;
        const within = (ms: number) => seen.filter(({ atMs }) => atMs > nowMs - ms);
        const errors = (list: typeof seen) => list.filter((each) => each.isError).length;
        const [least, most] = [within(windowMs - slotMs), within(windowMs)];
        t.true(window.requests >= least.length && window.requests <= most.length);
        t.true(window.errors >= errors(least) && window.errors <= errors(most));
      }
    }),
  );
});
