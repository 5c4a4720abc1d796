import test from "ava";
import { HedgeTimes } from "../../../../../agent/http/resilience/hedge-times.ts";
import { hedgedRequest } from "../../../../../agent/http/resilience/hedged-request.ts";
import { RetryBudgets } from "../../../../../agent/http/retry-budgets.ts";
import type { RequestCarrier } from "../../../../../agent/http/request-carrier.ts";
import type { RequestHead } from "../../../../../agent/http/request-head.ts";
import { WorkerMetrics } from "../../../../../agent/telemetry/worker-metrics.ts";
import type { Hedging, RouteRule } from "../../../../../protocol/route-table.ts";
import { candidate } from "../../../../support/candidates.ts";
import { carried, FakeCarrier, requestHead } from "../../../../support/fake-carrier.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

const BUDGET = { percent: 0, intervalMs: 10_000, minRetries: 10, minRetriesIntervalMs: 1_000 };
const HEDGING: Hedging = {
  policy: "shop/catalog",
  scope: "Service shop/catalog",
  afterMs: 50,
  attempts: 1,
  budget: BUDGET,
};
const [ONE, TWO] = [candidate("one"), candidate("two")];

function setUp(changes: Partial<Hedging> = {}, head: RequestHead = requestHead(), more: Partial<RouteRule> = {}) {
  const clock = new FakeClock();
  const metrics = new WorkerMetrics({ clock });
  const hedges = new HedgeTimes(() => {});
  const budgets = new RetryBudgets(clock, () => {});
  const plane = { clock, metrics, budgets, hedges };
  const tries: FakeCarrier[] = [];
  const request = (rule: Partial<RouteRule> = {}): { carrier: RequestCarrier } & ReturnType<typeof carried> => {
    const made = carried({ plane, rule: { hedging: { ...HEDGING, ...changes }, ...more, ...rule }, head });
    const below = (options: FakeCarrier["options"]) => {
      const one = new FakeCarrier(options);
      tries.push(one);
      return one;
    };
    const carrier = hedgedRequest(made.options, below);
    if (carrier === undefined) throw new Error("The request is not hedged");
    return { carrier, ...made };
  };
  const counts = (): Record<string, number> =>
    Object.fromEntries(
      metrics.collect().counters.map(({ name, labelValues, value }) => [`${name} ${labelValues.join()}`, value]),
    );
  return { clock, hedges, tries, request, counts, plane };
}

test("a first try that answers in time is the only one", (t) => {
  const { clock, tries, request, counts } = setUp();
  const { carrier, owner } = request();
  carrier.start();
  carrier.requestEnd(undefined);
  clock.advance(49);
  tries[0]?.answerWhole("good");
  clock.advance(1_000);
  t.is(tries.length, 1);
  t.deepEqual(owner.told, ["200", "body good", "end"]);
  t.deepEqual(counts(), {});
});

test("a late one is tried beside itself, elsewhere; the first answer wins, the loser is given up", (t) => {
  const { clock, tries, request, counts } = setUp();
  const { carrier, owner, report } = request();
  carrier.start();
  tries[0]?.options.report.tried(ONE);
  carrier.requestEnd(undefined);
  clock.advance(50);
  t.deepEqual([...(tries[1]?.options.avoid ?? [])], [ONE.key]);
  t.true(tries[1]?.options.onlyOnce);
  t.deepEqual(tries[1]?.calls, ["start", "end"]);
  tries[1]?.options.report.tried(TWO);
  tries[1]?.answerWhole("second");
  t.deepEqual(owner.told, ["200", "body second", "end"]);
  t.deepEqual(tries[0]?.calls, ["start", "end", "outrun"], "it takes longer for sure");
  t.is(report.answeredByKey, TWO.key);
  t.deepEqual(counts(), { "hedges sent": 1, "hedges won": 1 });
});

test("the first may win all the same", (t) => {
  const { clock, tries, request, counts } = setUp();
  const { carrier, owner } = request();
  carrier.start();
  carrier.requestEnd(undefined);
  clock.advance(50);
  tries[0]?.answerWhole("first");
  t.deepEqual(owner.told, ["200", "body first", "end"]);
  t.deepEqual(tries[1]?.calls, ["start", "end", "drop"], "it has had less time");
  t.deepEqual(counts(), { "hedges sent": 1 });
});

test("the body goes along, when it is complete; else the second try waits for it", (t) => {
  const { clock, tries, request } = setUp({}, requestHead({ method: "PUT", hasBody: true }));
  const { carrier } = request();
  carrier.start();
  carrier.requestBody(Buffer.from("one"));
  clock.advance(60);
  t.is(tries.length, 1);
  carrier.requestBody(Buffer.from("two"));
  carrier.requestEnd(undefined);
  t.deepEqual(tries[1]?.calls, ["start", "body one", "body two", "end"]);
});

test("a body that is not kept is sent once", (t) => {
  const { clock, tries, request } = setUp({}, requestHead({ method: "PUT", hasBody: true }));
  const { carrier } = request();
  carrier.start();
  carrier.requestBody(Buffer.alloc(70_000));
  carrier.requestEnd(undefined);
  clock.advance(60);
  t.is(tries.length, 1);
});

test("what is not idempotent, or becomes another protocol, is never tried twice", (t) => {
  const { plane } = setUp();
  for (const head of [requestHead({ method: "POST" }), requestHead({ upgrade: "websocket" })]) {
    const { options } = carried({ plane, rule: { hedging: HEDGING }, head });
    t.is(
      hedgedRequest(options, (each) => new FakeCarrier(each)),
      undefined,
    );
  }
  const { options } = carried({ plane, rule: {} });
  t.is(
    hedgedRequest(options, (each) => new FakeCarrier(each)),
    undefined,
  );
});

test("further tries come out of the retry budget", (t) => {
  const { clock, tries, request, counts } = setUp();
  for (let count = 0; count < 15; count += 1) {
    const { carrier } = request();
    carrier.start();
    carrier.requestEnd(undefined);
  }
  clock.advance(50);
  t.is(tries.length, 15 + BUDGET.minRetries);
  t.like(counts(), { "hedges sent": 10, "limitHits retry-budget": 5 });
});

test("an answer that says the server has failed does not win while another may come", (t) => {
  const { clock, tries, request } = setUp();
  const { carrier, owner } = request();
  carrier.start();
  carrier.requestEnd(undefined);
  clock.advance(50);
  tries[1]?.answer(503);
  t.deepEqual(owner.told, []);
  t.true(tries[1]?.isDropped);
  tries[0]?.answer(503);
  t.deepEqual(owner.told, ["503"]);
});

test("a try that is given up leaves the others; the first's reason is told when none is left", (t) => {
  const { clock, tries, request } = setUp();
  const { carrier, owner } = request();
  carrier.start();
  carrier.requestEnd(undefined);
  clock.advance(50);
  tries[1]?.owner.onGivenUp("no-endpoints", "");
  t.deepEqual(owner.told, []);
  tries[0]?.owner.onGivenUp("reset", "");
  t.deepEqual(owner.told, ["given up reset"]);
});

test("a try that fails before it is late is the end", (t) => {
  const { clock, tries, request } = setUp();
  const { carrier, owner } = request();
  carrier.start();
  carrier.requestEnd(undefined);
  tries[0]?.owner.onGivenUp("reset", "");
  clock.advance(1_000);
  t.deepEqual([owner.told, tries.length], [["given up reset"], 1]);
});

test("several more, each after the same wait", (t) => {
  const { clock, tries, request } = setUp({ attempts: 2 });
  const { carrier } = request();
  carrier.start();
  carrier.requestEnd(undefined);
  clock.advance(50);
  t.is(tries.length, 2);
  clock.advance(50);
  t.is(tries.length, 3);
  clock.advance(500);
  t.is(tries.length, 3);
});

test("a request that nobody wants any more gives all tries up", (t) => {
  const { clock, tries, request } = setUp();
  const { carrier, owner } = request();
  carrier.start();
  carrier.requestEnd(undefined);
  clock.advance(50);
  carrier.drop();
  t.true(tries.every((one) => one.isDropped));
  clock.advance(500);
  t.deepEqual([owner.told, tries.length, clock.pendingTimers], [[], 2, 0]);
});

test("without a time, the last answers say when one is late", (t) => {
  const hedging = { policy: "p", scope: "s", attempts: 1, budget: BUDGET };
  const { clock, tries, plane } = setUp();
  const ask = (): FakeCarrier => {
    const { options } = carried({ plane, rule: { hedging } });
    const carrier = hedgedRequest(options, (each) => {
      tries.push(new FakeCarrier(each));
      return tries.at(-1) as FakeCarrier;
    });
    carrier?.start();
    carrier?.requestEnd(undefined);
    return tries.at(-1) as FakeCarrier;
  };
  for (let count = 0; count < 100; count += 1) {
    const one = ask();
    clock.advance(10);
    one.answerWhole("");
  }
  t.is(tries.length, 100);
  ask();
  clock.advance(10);
  t.is(tries.length, 101);
  clock.advance(2);
  t.is(tries.length, 102);
});

test("without a time, one of twenty requests is tried twice, and one that is late waits until it is its turn", (t) => {
  const hedging = { policy: "p", scope: "s", attempts: 1, budget: { ...BUDGET, minRetries: 100 } };
  const { clock, hedges, tries, request, counts } = setUp();
  const learnt: Partial<RouteRule> = { hedging };
  const ask = (): void => {
    const { carrier } = request(learnt);
    carrier.start();
    carrier.requestEnd(undefined);
  };
  for (let count = 0; count < 40; count += 1) hedges.observe(hedging, 10);
  for (let count = 0; count < 39; count += 1) ask();
  clock.advance(1_000);
  t.is(tries.length, 39 + 1, "of 39 requests, all late");
  t.is(counts()["limitHits hedge-share"], 38);
  ask();
  clock.advance(1_000);
  t.is(tries.length, 40 + 2, "the fortieth has earned one more");
  for (let count = 0; count < 1_000; count += 1) hedges.requested(hedging);
  clock.advance(60_000);
  t.is(tries.length, 40 + 2 + 10, "what is set by is bounded");
});

test("scopes whose times are kept are bounded", (t) => {
  const hits: string[] = [];
  const times = new HedgeTimes((name) => hits.push(name));
  for (let index = 0; index <= 1_000; index += 1)
    times.observe({ policy: "p", scope: `${index}`, attempts: 1, budget: BUDGET }, 1);
  t.deepEqual(hits, ["hedgeScopes"]);
});
