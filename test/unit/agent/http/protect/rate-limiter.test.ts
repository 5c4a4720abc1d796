import { hash } from "node:crypto";
import test from "ava";
import fc from "fast-check";
import { askRates } from "../../../../../agent/http/protect/ask-rates.ts";
import { protectLimits } from "../../../../../agent/http/protect/limits.ts";
import { RateLimiter } from "../../../../../agent/http/protect/rate-limiter.ts";
import type { RateLimit, ValueSource } from "../../../../../protocol/route-table.ts";

const BY_USER: ValueSource = { from: "header", name: "x-user" };

function limiter(requests: number, perMs: number, burst: number) {
  const hits: string[] = [];
  return { hits, rate: new RateLimiter({ requests, perMs, burst }, (name) => hits.push(name)) };
}

function admit(rate: RateLimiter, nowMs: number, value?: string): boolean {
  if (rate.waitMs(nowMs, value) > 0) return false;
  rate.charge(nowMs, value);
  return true;
}

function admitted(rate: RateLimiter, nowMs: number, asked: number, value?: string): number {
  return Array.from({ length: asked }, () => admit(rate, nowMs, value)).filter(Boolean).length;
}

test("a burst at once, then one for each interval", (t) => {
  const { rate } = limiter(10, 1_000, 5);
  t.is(admitted(rate, 7_000, 20), 5);
  t.is(rate.waitMs(7_000, undefined), 100);
  t.is(admitted(rate, 7_099, 20), 0);
  t.is(admitted(rate, 7_100, 20), 1);
  t.is(admitted(rate, 7_400, 20), 3);
  t.is(admitted(rate, 60_000, 20), 5, "unused time is saved up to the burst");
});

test("asking charges nothing", (t) => {
  const { rate } = limiter(1, 1_000, 1);
  for (let count = 0; count < 10; count += 1) t.is(rate.waitMs(0, undefined), 0);
  t.is(admitted(rate, 0, 2), 1);
});

test("each value has a bucket, and those without one share one", (t) => {
  const { rate } = limiter(1, 1_000, 2);
  t.is(admitted(rate, 0, 9, "ann"), 2);
  t.is(admitted(rate, 0, 9, "bob"), 2);
  t.is(admitted(rate, 0, 9), 2);
  t.is(admitted(rate, 0, 9, ""), 2);
  t.is(rate.values, 3);
});

test("what is left is told, of all and of the busiest value", (t) => {
  const { rate } = limiter(10, 1_000, 5);
  t.deepEqual(rate.read(0), { left: 5, burst: 5 });
  t.is(admitted(rate, 0, 4), 4);
  t.deepEqual(rate.read(0), { left: 1, burst: 5 });
  t.deepEqual(rate.read(150), { left: 2.5, burst: 5 });
  t.is(admitted(rate, 200, 2, "ann") + admitted(rate, 200, 5, "bob"), 7);
  t.deepEqual(rate.read(200), { left: 3, burst: 5, values: { count: 2, fewestLeft: 0 } });
  t.deepEqual(rate.read(9_000), { left: 5, burst: 5, values: { count: 2, fewestLeft: 5 } });
});

test("long values are told apart, and not kept", (t) => {
  const { rate } = limiter(1, 1_000, 1);
  const long = "x".repeat(60_000);
  t.true(admit(rate, 0, `${long}a`));
  t.true(admit(rate, 0, `${long}b`));
  t.false(admit(rate, 0, `${long}a`));
});

test("values are bounded: the one that came longest ago starts again, and it is counted", (t) => {
  const { hits, rate } = limiter(1, 1_000_000, 1);
  t.true(admit(rate, 0, "first"));
  for (let index = 1; index < protectLimits.rateLimitValues; index += 1) admit(rate, 0, `user-${index}`);
  t.false(admit(rate, 0, "first"));
  t.deepEqual(hits, []);
  t.true(admit(rate, 0, "one more"));
  t.deepEqual(hits, ["rateLimitValues"]);
  t.is(rate.values, protectLimits.rateLimitValues);
  t.true(admit(rate, 0, "first"));
  t.false(admit(rate, 0, "user-3"));
});

test("other numbers hold from the next request on", (t) => {
  const { rate } = limiter(10, 1_000, 1);
  t.is(admitted(rate, 0, 5), 1);
  rate.adapt({ requests: 1_000, perMs: 1_000, burst: 1 });
  t.is(admitted(rate, 100, 5), 1);
  t.is(admitted(rate, 101, 5), 1);
});

test("several limits: all must agree, none is charged when another refuses, the longest wait is told", (t) => {
  const part = (requests: number, perMs: number, by?: ValueSource): RateLimit => {
    const fields = { policy: "shop/p", scope: "Service shop/s", requests, perMs, burst: requests };
    return by === undefined ? fields : { ...fields, by };
  };
  const guards = [part(3, 60_000), part(1, 1_000, BY_USER)].map((each) => ({
    part: each,
    state: new RateLimiter(each, () => {}),
  }));
  const ask = (nowMs: number, user: string) => askRates(guards, nowMs, () => user);
  t.is(ask(0, "ann"), undefined);
  for (let count = 0; count < 10; count += 1) t.is(ask(0, "ann")?.part, guards[1]?.part);
  t.is(ask(0, "bob"), undefined);
  t.is(ask(0, "eve"), undefined, "refusals of ann have cost the others nothing");
  t.like(ask(0, "ann"), { part: guards[0]?.part, waitMs: 20_000 });
  t.is(ask(20_000, "ann"), undefined);
});

test("whatever comes when: never more than the burst and what the time allows, and never less while enough ask", (t) => {
  const settings = fc.record({
    requests: fc.integer({ min: 1, max: 1_000 }),
    perMs: fc.integer({ min: 1, max: 60_000 }),
    burst: fc.integer({ min: 1, max: 50 }),
  });
  const gaps = fc.array(fc.double({ min: 0, max: 500, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(settings, gaps, ({ requests, perMs, burst }, gapsMs) => {
      const { rate } = limiter(requests, perMs, burst);
      let nowMs = 1_000_000.123;
      const admittedAtMs: number[] = [];
      for (const gapMs of gapsMs) {
        nowMs += gapMs;
        const waitMs = rate.waitMs(nowMs, undefined);
        if (waitMs > 0) t.true(waitMs <= perMs / requests + 1e-6, "never told to wait for longer than for one");
        if (admit(rate, nowMs)) admittedAtMs.push(nowMs);
      }
      // Any stretch of time, not only from the start.
      for (let from = 0; from < admittedAtMs.length; from += 7) {
        const stretch = admittedAtMs.slice(from);
        const tookMs = (stretch.at(-1) as number) - (stretch[0] as number);
        t.true(stretch.length <= burst + (tookMs * requests) / perMs + 1e-3);
      }
    }),
    { numRuns: 300 },
  );
});

test("under pressure the rate is met to a thousandth", (t) => {
  const { rate } = limiter(333, 1_000, 10);
  let count = 0;
  for (let nowMs = 0; nowMs < 100_000; nowMs += 0.7) if (admit(rate, nowMs)) count += 1;
  t.true(Math.abs(count - 33_300) < 33, `${count}`);
});

test("nobody is counted as somebody else by sending the hash of a long value", (t) => {
  const { rate } = limiter(1, 60_000, 1);
  const token = "t".repeat(200);
  const hashes = ["sha256", "sha512"].flatMap((name) => [hash(name, token, "base64"), hash(name, token, "hex")]);
  for (const value of hashes) t.is(admitted(rate, 0, 2, value), 1);
  t.is(admitted(rate, 0, 2, token), 1);
  t.is(rate.values, 5);
});
