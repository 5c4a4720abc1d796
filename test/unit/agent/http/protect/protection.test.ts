/** The way of a request past the policies of its rule, and what becomes of their state when tables change. */
import test from "ava";
import fc from "fast-check";
import type { Admission, AdmissionRequest, Refusal } from "../../../../../agent/http/admission.ts";
import { Fields } from "../../../../../agent/http/fields.ts";
import type { HttpFacts } from "../../../../../agent/http/http-plane.ts";
import { protectLimits } from "../../../../../agent/http/protect/limits.ts";
import { Protection } from "../../../../../agent/http/protect/protection.ts";
import type { RequestHead } from "../../../../../agent/http/request-head.ts";
import { WorkerMetrics } from "../../../../../agent/telemetry/worker-metrics.ts";
import type {
  CircuitBreaker,
  ConcurrencyLimit,
  Fault,
  RateLimit,
  RouteRule,
} from "../../../../../protocol/route-table.ts";
import { TableState } from "../../../../../routing/table-state.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";
import { RecordingLog } from "../../../../support/recording-log.ts";
import { routeEntry, serviceEntry, tableSnapshot } from "../../../routing/sample-table.ts";

const OF_SERVICE = { policy: "shop/p", scope: "Service shop/catalog" };
const CONCURRENCY: ConcurrencyLimit = { ...OF_SERVICE, maxRequests: 1, maxWaiting: 1, maxWaitMs: 1_000 };
const BREAKER: CircuitBreaker = {
  ...OF_SERVICE,
  windowMs: 10_000,
  minRequests: 2,
  errorPercent: 50,
  openMs: 5_000,
  halfOpenRequests: 1,
};
const RATE: RateLimit = { ...OF_SERVICE, requests: 1, perMs: 1_000, burst: 1 };
/** The clock is at the first of January. */
const FOREVER_MS = Date.UTC(2026, 0, 7);
const FAULT: Fault = { ...OF_SERVICE, percent: 100, untilMs: FOREVER_MS };
const GOOD = { reason: "answered", status: 200 } as const;
const BAD = { reason: "answered", status: 500 } as const;

function setUp({ workers = 1, random = () => 0 }: { readonly workers?: number; readonly random?: () => number } = {}) {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const metrics = new WorkerMetrics({ clock });
  const protection = new Protection({ clock, log, metrics, random, workers, quotas: { admit: () => undefined } });
  const ask = (parts: Partial<RouteRule>, fields: Partial<RequestHead> = {}, user?: string) => {
    const told: string[] = [];
    const verdict = protection.ask(requestOf(ruleWith(parts), fields, user), {
      admitted: () => told.push("admitted"),
      refused: ({ reason }) => told.push(reason),
    });
    return { told, verdict };
  };
  const counts = (): Record<string, number> =>
    Object.fromEntries(
      metrics.collect().counters.map(({ name, labelValues, value }) => [`${name} ${labelValues.join(" ")}`, value]),
    );
  return { clock, log, metrics, protection, ask, counts };
}

function ruleWith(parts: Partial<RouteRule>): RouteRule {
  return { route: "shop/r", index: 0, backends: [], ...parts };
}

function requestOf(rule: RouteRule, changes: Partial<RequestHead>, user: string | undefined): AdmissionRequest {
  const fields = new Fields();
  if (user !== undefined) fields.add("x-user", user);
  const head: RequestHead = {
    version: 1,
    method: "GET",
    scheme: "http",
    authority: "catalog",
    path: "/",
    fields,
    hasBody: false,
    length: undefined,
    upgrade: undefined,
    expectsContinue: false,
    trailersWanted: false,
    ...changes,
  };
  const target = { service: "shop/catalog", port: 80 };
  return {
    head,
    facts: {} as HttpFacts,
    plan: {
      target,
      rule,
      authority: "catalog",
      path: "/",
      requestHeaders: [],
      responseHeaders: [],
      mirrors: [],
      endpoint: undefined,
    },
    request: {
      ...target,
      source: { namespace: "shop" },
      scheme: "http",
      method: "GET",
      target: "/",
      authority: "catalog",
      headers: head.fields,
      random: 0,
      mirrorRandom: 0,
    },
  };
}

function admission(verdict: Refusal | Admission | undefined): Admission {
  if (verdict === undefined || "status" in verdict) throw new Error(`No admission: ${JSON.stringify(verdict)}`);
  return verdict;
}

function tableOf(sequence: number, ...rules: readonly RouteRule[]): TableState {
  const snapshot = tableSnapshot({
    services: [serviceEntry("shop/catalog", { ports: [{ name: "http", port: 80, protocol: "TCP" }] })],
    routes: [routeEntry("shop/catalog", { rules })],
  });
  return new TableState({ ...snapshot, sequence });
}

test("a rule that says nothing of this costs nothing", (t) => {
  const { ask, protection, metrics } = setUp();
  t.is(ask({}).verdict, undefined);
  t.is(ask({ retry: undefined as never, timeouts: { requestMs: 1 } }).verdict, undefined);
  protection.report(undefined);
  t.deepEqual(metrics.circuits, []);
});

test("a queue: full at once, too long after a while, told apart; each place is given on", (t) => {
  const { ask, clock, counts, metrics, protection } = setUp();
  const first = admission(ask({ concurrency: CONCURRENCY }).verdict);
  t.false(first.mustWait);
  const second = ask({ concurrency: CONCURRENCY });
  t.true(admission(second.verdict).mustWait);
  protection.report(undefined);
  t.is(metrics.gauges.waitingRequests, 1);
  t.like(ask({ concurrency: CONCURRENCY }).verdict, { reason: "concurrency-limit", status: 503, grpcStatus: 14 });
  clock.advance(1_000);
  t.deepEqual(second.told, ["queue-timeout"]);
  admission(second.verdict).over({ reason: "queue-timeout", status: 503 });
  const third = ask({ concurrency: CONCURRENCY });
  first.over(GOOD);
  t.deepEqual(third.told, ["admitted"]);
  t.deepEqual(counts(), {
    "policyRefusals shop/p concurrency-limit": 1,
    "policyRefusals shop/p queue-timeout": 1,
  });
  admission(third.verdict).over(GOOD);
  t.is(clock.pendingTimers, 0);
});

test("a client that goes while it waits leaves its place to the next", (t) => {
  const { ask } = setUp();
  const inside = admission(ask({ concurrency: CONCURRENCY }).verdict);
  const gone = ask({ concurrency: CONCURRENCY });
  admission(gone.verdict).over({ reason: "client-gone", status: undefined });
  const next = ask({ concurrency: CONCURRENCY });
  inside.over(GOOD);
  t.deepEqual([gone.told, next.told], [[], ["admitted"]]);
});

test("an upgraded connection keeps its place until it is closed", (t) => {
  const { ask } = setUp();
  const socket = admission(ask({ concurrency: CONCURRENCY }).verdict);
  socket.over({ reason: "upgraded", status: 101 });
  const next = ask({ concurrency: CONCURRENCY });
  t.true(admission(next.verdict).mustWait);
  socket.closed?.();
  t.deepEqual(next.told, ["admitted"]);
});

test("errors open the breaker, one log line for each transition; refusals say when to come again", (t) => {
  const { ask, clock, log, counts, protection, metrics } = setUp();
  for (let count = 0; count < 2; count += 1) admission(ask({ breaker: BREAKER }).verdict).over(BAD);
  clock.advance(1_500);
  const refusal = ask({ breaker: BREAKER }).verdict;
  t.like(refusal, { reason: "circuit-open", status: 503, grpcStatus: 14, headers: [["retry-after", "4"]] });
  t.regex((refusal as Refusal).text, /^Service shop\/catalog, by TrafficPolicy shop\/p, /);
  protection.report(undefined);
  t.deepEqual(metrics.circuits, [{ ...OF_SERVICE, state: "open" }]);
  clock.advance(3_500);
  admission(ask({ breaker: BREAKER }).verdict).over(GOOD);
  protection.report(undefined);
  t.deepEqual(metrics.circuits, [{ ...OF_SERVICE, state: "closed" }]);
  t.deepEqual(
    log.lines.map(({ level, fields }) => [level, fields["event"], fields["state"], fields["errors"]]),
    [
      ["warn", "circuit", "open", 2],
      ["info", "circuit", "half-open", undefined],
      ["info", "circuit", "closed", undefined],
    ],
  );
  t.like(counts(), {
    "circuitTransitions shop/p Service shop/catalog open": 1,
    "circuitTransitions shop/p Service shop/catalog closed": 1,
  });
});

test("what speaks against a service: 5xx, no answer, an answer that breaks off, gRPC's errors of servers", (t) => {
  const opensAfterTwo = (outcome: Parameters<Admission["over"]>[0]): boolean => {
    const { ask } = setUp();
    for (let count = 0; count < 2; count += 1) admission(ask({ breaker: BREAKER }).verdict).over(outcome);
    return ask({ breaker: BREAKER }).verdict !== undefined && "status" in (ask({ breaker: BREAKER }).verdict ?? {});
  };
  for (const reason of ["connect-failure", "no-endpoints", "reset", "request-timeout", "answer-cut-short"] as const) {
    t.true(opensAfterTwo({ reason, status: 503 }), reason);
  }
  t.true(opensAfterTwo({ reason: "answered", status: 599 }));
  t.true(opensAfterTwo({ reason: "answered", status: 200, grpcStatus: 14 }));
  t.false(opensAfterTwo({ reason: "answered", status: 200, grpcStatus: 5 }));
  t.false(opensAfterTwo({ reason: "answered", status: 404 }));
  for (const reason of ["client-gone", "aborted", "request-too-large", "slow-body", "bad-filter"] as const) {
    t.false(opensAfterTwo({ reason, status: 503 }), reason);
  }
});

test("an answer's head is enough for a probe, and what breaks off later counts all the same", (t) => {
  const { ask, clock } = setUp();
  for (let count = 0; count < 2; count += 1) admission(ask({ breaker: BREAKER }).verdict).over(BAD);
  clock.advance(5_000);
  const probe = admission(ask({ breaker: BREAKER }).verdict);
  probe.answered?.(GOOD);
  const streams = [ask({ breaker: BREAKER }), ask({ breaker: BREAKER })].map(({ verdict }) => admission(verdict));
  for (const stream of streams) stream.answered?.(GOOD);
  for (const stream of streams) stream.over({ reason: "answer-cut-short", status: 200 });
  t.like(ask({ breaker: BREAKER }).verdict, { reason: "circuit-open" });
});

test("an open breaker refuses at once rather than from the line, and those in the line when their turn comes", (t) => {
  const { ask } = setUp();
  const rule = { breaker: { ...BREAKER, minRequests: 1 }, concurrency: CONCURRENCY };
  const first = admission(ask(rule).verdict);
  const waiting = ask(rule);
  first.over(BAD);
  t.deepEqual(waiting.told, ["circuit-open"]);
  admission(waiting.verdict).over({ reason: "circuit-open", status: 503 });
  t.like(ask(rule).verdict, { reason: "circuit-open" });
});

test("a rate limit by header; the answer says when to come again, in whole seconds", (t) => {
  const { ask, clock, counts } = setUp();
  const rateLimits = [{ ...RATE, requests: 10, perMs: 60_000, by: { from: "header", name: "x-user" } } as const];
  t.is(ask({ rateLimits }, {}, "ann").verdict, undefined);
  clock.advance(500);
  t.like(ask({ rateLimits }, {}, "ann").verdict, {
    reason: "rate-limited",
    status: 429,
    grpcStatus: 8,
    headers: [["retry-after", "6"]],
  });
  t.is(ask({ rateLimits }, {}, "bob").verdict, undefined);
  t.is(ask({ rateLimits }).verdict, undefined);
  t.like(ask({ rateLimits }).verdict, { reason: "rate-limited" });
  t.deepEqual(counts(), { "policyRefusals shop/p rate-limited": 2 });
});

test("sizes: what the head says is enough", (t) => {
  const { ask, counts } = setUp();
  const sizes = { ...OF_SERVICE, requestBytes: 10, requestHeaderBytes: 20 };
  t.is(ask({ sizes }, { hasBody: true, length: 10 }, "abcd").verdict, undefined);
  t.like(ask({ sizes }, { hasBody: true, length: 11 }).verdict, {
    reason: "request-too-large",
    status: 413,
    grpcStatus: 8,
  });
  // x-user: 7 + 4 is 10 + value
  t.is(ask({ sizes }, {}, "0123456789").verdict, undefined);
  t.like(ask({ sizes }, {}, "01234567890").verdict, { reason: "request-headers-too-large", status: 431 });
  t.deepEqual(counts(), {
    "policyRefusals shop/p request-too-large": 1,
    "policyRefusals shop/p request-headers-too-large": 1,
  });
});

test("a delay, then what follows; the fault's end cuts it short", (t) => {
  const { ask, clock, counts } = setUp();
  const delayed = ask({ faults: [{ ...FAULT, delayMs: 300 }] });
  t.true(admission(delayed.verdict).mustWait);
  clock.advance(299);
  t.deepEqual(delayed.told, []);
  clock.advance(1);
  t.deepEqual(delayed.told, ["admitted"]);
  const short = ask({ faults: [{ ...FAULT, delayMs: 60_000, untilMs: clock.nowMs() + 10 }] });
  clock.advance(10);
  t.deepEqual(short.told, ["admitted"]);
  t.is(ask({ faults: [{ ...FAULT, delayMs: 60_000, untilMs: clock.nowMs() }] }).verdict, undefined);
  const gone = ask({ faults: [{ ...FAULT, delayMs: 300 }] });
  admission(gone.verdict).over({ reason: "client-gone", status: undefined });
  clock.advance(1_000);
  t.deepEqual(gone.told, []);
  t.is(clock.pendingTimers, 0);
  t.deepEqual(counts(), { "faults shop/p delay": 3 });
});

test("an abort, at once or after a delay, is told as the policy says; nobody else notices", (t) => {
  const { ask, clock, counts } = setUp();
  const faults = [{ ...FAULT, abort: { status: 418, grpcStatus: 3 } }];
  const rule = { faults, breaker: { ...BREAKER, minRequests: 1 }, concurrency: CONCURRENCY };
  t.like(ask(rule).verdict, { reason: "fault-abort", status: 418, grpcStatus: 3 });
  const later = ask({ ...rule, faults: [...faults, { ...FAULT, delayMs: 100 }] });
  // It has no place, and no say.
  t.false(admission(ask({ ...rule, faults: [] }).verdict).mustWait);
  clock.advance(100);
  t.deepEqual(later.told, ["fault-abort"]);
  t.deepEqual(counts(), {
    "faults shop/p abort": 2,
    "faults shop/p delay": 1,
    "policyRefusals shop/p fault-abort": 2,
  });
});

test("a narrow bandwidth is a pace of the answer", (t) => {
  const { ask, counts } = setUp();
  const { pace, mustWait } = admission(ask({ faults: [{ ...FAULT, bytesPerSecond: 10 }] }).verdict);
  t.like(pace, { bytesPerSecond: 10, untilMs: FOREVER_MS });
  t.false(mustWait);
  t.deepEqual(counts(), { "faults shop/p bandwidth": 1 });
});

test("a fault of long duration ends after a week, whatever it says, and however its rule changes", (t) => {
  const { ask, clock, counts } = setUp();
  const faults = [{ ...FAULT, abort: { status: 418 }, untilMs: Date.UTC(2100, 0, 1) }];
  t.like(ask({ faults }).verdict, { status: 418 });
  clock.advance(protectLimits.faultMs - 1);
  t.like(ask({ faults: [{ ...faults[0] } as Fault] }).verdict, { status: 418 });
  clock.advance(1);
  t.is(ask({ faults }).verdict, undefined);
  t.is(counts()["limitHits faultMs"], 1);
});

test("faults only for those that satisfy their condition", (t) => {
  const { ask } = setUp();
  const abort = { status: 500 };
  t.is(ask({ faults: [{ ...FAULT, abort, when: { namespaces: ["team"] } }] }).verdict, undefined);
  t.like(ask({ faults: [{ ...FAULT, abort, when: { namespaces: ["shop"] } }] }).verdict, { status: 500 });
});

test("rules of one scope share, and a table that keeps the part keeps its state", (t) => {
  const { ask, protection } = setUp();
  t.is(ask({ rateLimits: [RATE] }).verdict, undefined);
  protection.report(tableOf(1, ruleWith({ rateLimits: [{ ...RATE }] })));
  // Another rule, made of another table.
  t.like(ask({ rateLimits: [{ ...RATE }] }).verdict, { reason: "rate-limited" });
  t.is(ask({ rateLimits: [{ ...RATE, scope: "HTTPRoute shop/r" }] }).verdict, undefined);
});

test("how things stand is told of the scopes that were asked for", (t) => {
  const { ask, protection } = setUp();
  const scope = "HTTPRoute shop/r";
  admission(ask({ concurrency: CONCURRENCY, breaker: { ...BREAKER, scope }, rateLimits: [RATE] }).verdict);
  t.deepEqual(protection.read([OF_SERVICE.scope]), {
    breakers: [],
    gates: [{ scope: OF_SERVICE.scope, inside: 1, maxRequests: 1, waiting: 0, maxWaiting: 1 }],
    rates: [{ scope: OF_SERVICE.scope, limit: RATE, left: 0, burst: 1 }],
  });
  t.like(protection.read([scope]), { breakers: [{ scope, state: "closed" }], gates: [], rates: [] });
  t.deepEqual(protection.read(["Service shop/other"]), { breakers: [], gates: [], rates: [] });
});

test("a table with other numbers changes them for what is there, also without a request", (t) => {
  const { ask, protection } = setUp();
  admission(ask({ concurrency: CONCURRENCY }).verdict);
  const waiting = ask({ concurrency: CONCURRENCY });
  protection.report(tableOf(1, ruleWith({ concurrency: { ...CONCURRENCY, maxRequests: 2 } })));
  t.deepEqual(waiting.told, ["admitted"]);
});

test("a part that is gone takes its state along: who waits goes, the gauge goes, and it begins anew", (t) => {
  const { ask, clock, protection, metrics } = setUp();
  admission(ask({ concurrency: CONCURRENCY, breaker: { ...BREAKER, minRequests: 1 } }).verdict);
  const waiting = ask({ concurrency: CONCURRENCY });
  t.is(ask({ rateLimits: [RATE] }).verdict, undefined);
  const bad = { breaker: { ...BREAKER, minRequests: 1 } };
  admission(ask(bad).verdict).over(BAD);
  protection.report(tableOf(1, ruleWith({})));
  t.deepEqual(waiting.told, ["admitted"]);
  t.deepEqual(metrics.circuits, []);
  t.is(metrics.gauges.waitingRequests, 0);
  t.false(admission(ask({ ...bad, concurrency: CONCURRENCY }).verdict).mustWait);
  t.is(ask({ rateLimits: [{ ...RATE }] }).verdict, undefined);
  clock.advance(60_000);
  t.is(clock.pendingTimers, 0);
});

test("things with state are bounded", (t) => {
  const { ask, counts } = setUp();
  for (let index = 0; index <= protectLimits.protectedScopes; index += 1) {
    ask({ rateLimits: [{ ...RATE, scope: `Service shop/s-${index}` }] });
  }
  t.deepEqual(counts(), { "limitHits protectedScopes": 1 });
});

test("of several data workers each has its part, never less than one", (t) => {
  const { ask } = setUp({ workers: 4 });
  const concurrency = { ...CONCURRENCY, maxRequests: 10, maxWaiting: 3 };
  const verdicts = [ask({ concurrency }), ask({ concurrency }), ask({ concurrency })].map(({ verdict }) => verdict);
  t.like(verdicts[2], { reason: "concurrency-limit" });
  const rateLimits = [{ ...RATE, requests: 2, burst: 2 }];
  t.is(ask({ rateLimits }).verdict, undefined);
  t.like(ask({ rateLimits }).verdict, { headers: [["retry-after", "2"]] });
});

const END = fc.constantFrom(
  GOOD,
  BAD,
  { reason: "client-gone", status: undefined } as const,
  { reason: "reset", status: 502 } as const,
);
const STEP = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: "ask" } as const) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("over" as const), which: fc.nat(30), end: END }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(3_000) }) },
);

test("whatever happens to requests: each is told at most once, and when all are over nothing is left", (t) => {
  const dice = fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(dice, fc.array(STEP, { maxLength: 80 }), (throws, steps) => {
      let count = 0;
      const random = (): number => throws[(count += 1) % throws.length] as number;
      const { ask, clock, metrics, protection } = setUp({ random });
      const rule = {
        rateLimits: [{ ...RATE, requests: 10 }],
        breaker: BREAKER,
        concurrency: { ...CONCURRENCY, maxRequests: 2, maxWaiting: 3 },
        faults: [
          { ...FAULT, percent: 30, delayMs: 500 },
          { ...FAULT, percent: 10, abort: { status: 500 } },
        ],
      };
      const open: { readonly told: readonly string[]; readonly admission: Admission }[] = [];
      const end = ({ admission: one, told }: (typeof open)[number], outcome: Parameters<Admission["over"]>[0]) => {
        const before = told.length;
        one.over(outcome);
        t.is(told.length, before, "nobody is called from within its own end");
      };
      for (const step of steps) {
        if (step.kind === "pass") clock.advance(step.ms);
        else if (step.kind === "ask") {
          const { verdict, told } = ask(rule);
          if (verdict !== undefined && !("status" in verdict)) open.push({ told, admission: verdict });
        } else {
          const [one] = open.splice(step.which, 1);
          if (one !== undefined) end(one, step.end);
        }
        for (const { told } of open) t.true(told.length <= 1);
      }
      for (const one of open) end(one, GOOD);
      protection.report(undefined);
      t.is(metrics.gauges.waitingRequests, 0);
      t.is(clock.pendingTimers, 0);
      // Both places are free again.
      clock.advance(20_000);
      const { concurrency } = rule;
      const two = [ask({ concurrency }), ask({ concurrency })].map(({ verdict }) => admission(verdict).mustWait);
      t.deepEqual(two, [false, false]);
    }),
    { numRuns: 300 },
  );
});
