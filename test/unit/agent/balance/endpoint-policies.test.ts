/** What a policy about the choice of endpoints does to picks: outliers, returns, new endpoints, pauses, hashes, spill-over. */
import test from "ava";
import fc from "fast-check";
import type { Attempt } from "../../../../agent/balance/attempt.ts";
import { Balancers } from "../../../../agent/balance/balancers.ts";
import { MAX_PAUSE_MS } from "../../../../agent/balance/limits.ts";
import type { PickRequest } from "../../../../agent/balance/pick-request.ts";
import type { LoadBalancerAlgorithm, OutlierSettings } from "../../../../protocol/table.ts";
import type { ChoiceSettings } from "../../../../routing/choice-settings.ts";
import type { Candidate } from "../../../../routing/decide-connection.ts";
import { candidatesWithWeights } from "../../../support/candidates.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const EJECTION = { consecutiveFailures: 2, baseEjectionMs: 1_000, maxEjectionMs: 60_000, maxEjectionPercent: 50 };
const SHARE = { percent: 80, minRequests: 10, intervalMs: 10_000 };
const LATENCY = { factor: 3, minRequests: 10, intervalMs: 10_000 };
const A = "shop/pod-0:8080";
const B = "shop/pod-1:8080";
const C = "shop/pod-2:8080";
const WEIGHED: readonly LoadBalancerAlgorithm[] = ["least-request", "peak-ewma", "round-robin", "random"];

/** How an endpoint answers: a status, after a while, and what it wants. Or it breaks off, or does not accept. */
type Behaviour =
  | { readonly status: number; readonly latencyMs?: number; readonly retryAfterMs?: number }
  | "broken"
  | "failed";
type Behaviours = Readonly<Record<string, Behaviour>>;

function setUp(candidates: readonly Candidate[], choice?: Partial<ChoiceSettings>, more: Partial<PickRequest> = {}) {
  const clock = new FakeClock();
  const events: string[] = [];
  const balancers = new Balancers({
    clock,
    random: seededRandom(42),
    events: {
      ejected: ({ candidate, cause, detail, ejectionMs }) =>
        events.push(`${candidate.key} ejected ${cause} (${detail}) ${ejectionMs}`),
      returned: ({ candidate }) => events.push(`${candidate.key} returned`),
      paused: ({ candidate, pauseMs }) => events.push(`${candidate.key} paused ${pauseMs}`),
      limitHit: (limit) => events.push(`limit ${limit}`),
    },
  });
  let request: PickRequest = {
    destination: "shop/web:80",
    candidates,
    algorithm: "round-robin",
    ejection: EJECTION,
    ...(choice === undefined ? {} : { choice: { honorsRetryAfter: true, ...choice } }),
    sourceAddress: "10.244.1.1",
    ofRequests: true,
    ...more,
  };
  const pick = (fields: Partial<PickRequest> = {}): Attempt => {
    const attempt = balancers.pick({ ...request, ...fields });
    if (attempt === undefined) throw new Error("Nothing was picked");
    return attempt;
  };
  const run = (rounds: number, behaviours: Behaviours = {}, fields: Partial<PickRequest> = {}): string[] =>
    Array.from({ length: rounds }, () => {
      const attempt = pick(fields);
      conclude(attempt, behaviours[attempt.candidate.key] ?? { status: 200 });
      return attempt.candidate.key;
    });
  /** From now on there are these. */
  const change = (fields: Partial<PickRequest>): void => {
    request = { ...request, ...fields };
  };
  return { clock, events, pick, run, change };
}

function conclude(attempt: Attempt, behaviour: Behaviour): void {
  if (behaviour === "failed") attempt.failed();
  else if (behaviour === "broken") attempt.broken("cut");
  else {
    const { status, latencyMs = 5, retryAfterMs } = behaviour;
    attempt.answered({ latencyMs, failure: status >= 500 ? `answer ${status}` : undefined, retryAfterMs });
    attempt.finished();
  }
}

function shareOf(keys: readonly string[], key: string): number {
  return keys.filter((each) => each === key).length / keys.length;
}

const three = candidatesWithWeights([100, 100, 100]);
const outlier = (settings: OutlierSettings): Partial<ChoiceSettings> => ({ outlier: settings });

// Errors in a row.

test("errors in a row eject an endpoint, and the cause is told", (t) => {
  const { run, events } = setUp(three, outlier({ consecutiveErrors: 3 }));
  run(9, { [A]: { status: 500 } });
  t.deepEqual(events, [`${A} ejected consecutive-errors (3 errors in a row) 1000`]);
  t.false(run(12).includes(A));
});

test("answers that broke off are errors, those that the client has left are not", (t) => {
  const { run, pick, events } = setUp(three, outlier({ consecutiveErrors: 3 }));
  run(9, { [A]: "broken" });
  t.regex(events[0] ?? "", /^shop\/pod-0:8080 ejected consecutive-errors/);
  for (let count = 0; count < 30; count += 1) pick().finished();
  t.is(events.length, 1);
});

test("a good answer that breaks off is one error and no success", (t) => {
  const { pick, events } = setUp(candidatesWithWeights([100, 100]), outlier({ consecutiveErrors: 3 }));
  for (let count = 0; count < 6; count += 1) {
    const attempt = pick();
    attempt.answered({ latencyMs: 1 });
    if (attempt.candidate.key === A) attempt.broken("cut");
    else attempt.finished();
  }
  t.is(events.length, 1);
});

test("an error status that breaks off is one error", (t) => {
  const { pick, events } = setUp(candidatesWithWeights([100, 100]), outlier({ consecutiveErrors: 3 }));
  for (let count = 0; count < 4; count += 1) {
    const attempt = pick();
    attempt.answered({ latencyMs: 1, failure: "answer 503" });
    attempt.broken("cut");
    attempt.finished();
  }
  t.deepEqual(events, []);
});

test("a success in between begins the row again; 4xx are no errors", (t) => {
  const { run, events } = setUp(three, outlier({ consecutiveErrors: 3 }));
  for (let round = 0; round < 10; round += 1) {
    run(6, { [A]: { status: 503 } });
    run(3, { [A]: { status: 404 } });
  }
  t.deepEqual(events, []);
});

test("without settings about requests, errors speak against nobody", (t) => {
  const { run, events } = setUp(three);
  run(100, { [A]: { status: 500 }, [B]: "broken" });
  t.deepEqual(events, []);
});

test("an endpoint that was ejected for its errors returns by a probe that is answered well, not by a connect", (t) => {
  const { run, pick, events, clock } = setUp(three, outlier({ consecutiveErrors: 2 }));
  run(6, { [A]: { status: 500 } });
  clock.advance(1_000);
  run(3, { [A]: { status: 502 } });
  t.is(events.at(-1), `${A} ejected consecutive-errors (a probe failed: answer 502) 2000`);
  clock.advance(2_000);
  const probe = [pick(), pick(), pick()].find((attempt) => attempt.probe);
  probe?.connected(1);
  t.is(events.length, 2);
  probe?.answered({ latencyMs: 1 });
  t.is(events.at(-1), `${A} returned`);
});

test("good answers of requests that were under way at the ejection do not bring it back", (t) => {
  const { run, pick, events } = setUp(three, outlier({ consecutiveErrors: 2 }));
  const early = [pick(), pick(), pick()];
  run(6, { [A]: { status: 500 } });
  for (const attempt of early) {
    attempt.answered({ latencyMs: 1 });
    attempt.finished();
  }
  t.is(events.length, 1);
  t.false(run(9).includes(A));
});

test("a probe after failed connects returns by its connect, whatever the answer", (t) => {
  const { run, events, clock } = setUp(three, outlier({ consecutiveErrors: 5 }));
  run(3);
  run(6, { [A]: "failed" });
  clock.advance(1_000);
  run(3, { [A]: { status: 500 } });
  t.deepEqual(events, [`${A} ejected connect-failures (2 connects failed in a row) 1000`, `${A} returned`]);
});

test("all causes share one cap, and requests eject also where connects do not", (t) => {
  const ejection = { ...EJECTION, consecutiveFailures: 0 };
  const four = candidatesWithWeights([100, 100, 100, 100]);
  const { run, events } = setUp(four, outlier({ consecutiveErrors: 2 }), { ejection });
  const bad = Object.fromEntries(four.map(({ key }) => [key, { status: 500 }]));
  run(100, bad);
  t.is(events.filter((event) => event.includes("ejected consecutive-errors")).length, 2);
  t.true(events.includes("limit ejected-endpoints"));
});

// Success share.

test("an endpoint below the success share is ejected when the interval has ended", (t) => {
  const { run, events, clock } = setUp(three, outlier({ successShare: SHARE }));
  for (let round = 0; round < 10; round += 1) {
    run(3, { [A]: { status: 500 } });
    run(3);
  }
  t.deepEqual(events, []);
  clock.advance(SHARE.intervalMs);
  run(1);
  t.deepEqual(events, [`${A} ejected success-share (50 % of 20 requests went well) 1000`]);
});

test("too few requests, or those of different intervals, are no verdict", (t) => {
  const { run, events, clock } = setUp(three, outlier({ successShare: SHARE }));
  for (let interval = 0; interval < 5; interval += 1) {
    run(27, { [A]: { status: 500 } });
    clock.advance(SHARE.intervalMs);
  }
  run(1);
  t.deepEqual(events, []);
});

test("the worst is ejected first where the cap allows one", (t) => {
  const { pick, run, events, clock } = setUp(three, outlier({ successShare: SHARE }));
  const goodOf: Readonly<Record<string, number>> = { [A]: 6, [B]: 2, [C]: 10 };
  const seen: Record<string, number> = {};
  for (let count = 0; count < 30; count += 1) {
    const attempt = pick();
    const { key } = attempt.candidate;
    seen[key] = (seen[key] ?? 0) + 1;
    conclude(attempt, { status: (seen[key] ?? 0) <= (goodOf[key] ?? 0) ? 200 : 500 });
  }
  clock.advance(SHARE.intervalMs);
  run(1);
  t.deepEqual(events, [`${B} ejected success-share (20 % of 10 requests went well) 1000`, "limit ejected-endpoints"]);
});

// Latency.

test("an endpoint that is several times slower than its siblings is ejected, and returns by a probe that is not", (t) => {
  const { run, events, clock } = setUp(three, outlier({ latency: LATENCY }));
  const slow = { [A]: { status: 200, latencyMs: 200 } };
  run(30, slow);
  clock.advance(LATENCY.intervalMs);
  run(1, slow);
  t.regex(events[0] ?? "", /pod-0:8080 ejected latency \(median latency \d{3}\.\d ms, of the others 5\.\d ms\) 1000/);
  clock.advance(1_000);
  run(6, slow);
  t.is(events.at(-1), `${A} ejected latency (a probe took 200.0 ms) 2000`);
  clock.advance(2_000);
  run(6);
  t.is(events.at(-1), `${A} returned`);
});

test("an endpoint whose tries are outrun is slow, and neither good nor bad", (t) => {
  const { run, pick, events, clock } = setUp(three, outlier({ latency: LATENCY, successShare: SHARE }));
  run(30);
  clock.advance(LATENCY.intervalMs);
  for (let round = 0; round < 45; round += 1) {
    const attempt = pick();
    if (attempt.candidate.key === A) attempt.outrun(200);
    else conclude(attempt, { status: 200 });
  }
  clock.advance(LATENCY.intervalMs);
  run(3);
  t.is(events.length, 1);
  t.regex(events[0] ?? "", /pod-0:8080 ejected latency/);
  clock.advance(EJECTION.baseEjectionMs);
  const probe = pick();
  t.true(probe.probe);
  probe.outrun(1);
  t.true(
    [pick(), pick(), pick()].some((next) => next.probe),
    "an outrun probe proves nothing, and another one goes",
  );
  t.is(events.length, 1);
});

test("latency is compared only among those with enough answers, and not of one alone", (t) => {
  const { run, events, clock } = setUp(candidatesWithWeights([100, 100]), outlier({ latency: LATENCY }));
  run(18, { [A]: { status: 200, latencyMs: 900 } });
  clock.advance(LATENCY.intervalMs);
  run(18, { [A]: { status: 200, latencyMs: 900 }, [B]: { status: 500 } });
  clock.advance(LATENCY.intervalMs);
  run(1);
  t.deepEqual(events, []);
});

test("a few milliseconds more are no reason, however many times they are", (t) => {
  const { run, events, clock } = setUp(three, outlier({ latency: LATENCY }));
  run(30, {
    [A]: { status: 200, latencyMs: 5 },
    [B]: { status: 200, latencyMs: 0.2 },
    [C]: { status: 200, latencyMs: 0.2 },
  });
  clock.advance(LATENCY.intervalMs);
  run(1);
  t.deepEqual(events, []);
});

// Returns and newcomers.

test("an endpoint returns with a share that grows", (t) => {
  const { run, clock } = setUp(three, outlier({ consecutiveErrors: 2, returnMs: 10_000 }), { algorithm: "random" });
  run(40, { [A]: { status: 500 } });
  clock.advance(1_000);
  run(40);
  const shares = [0, 5_000, 5_000].map((afterMs) => {
    clock.advance(afterMs);
    return shareOf(run(6_000), A);
  });
  // 0.1, 0.55 and 1 beside two whole ones.
  for (const [index, expected] of [0.048, 0.216, 0.333].entries()) {
    t.true(Math.abs((shares[index] ?? 0) - expected) < 0.02, `${shares[index]} instead of ${expected}`);
  }
});

for (const algorithm of WEIGHED) {
  test(`with ${algorithm} a new endpoint has a share that grows from the smallest to the whole`, (t) => {
    const slowStart = { windowMs: 30_000, minPercent: 10 };
    const { run, clock, change } = setUp(three.slice(0, 2), { slowStart }, { algorithm });
    run(10);
    change({ candidates: three });
    const shares = [0, 15_000, 15_000].map((afterMs) => {
      clock.advance(afterMs);
      return shareOf(run(6_000), C);
    });
    for (const [index, expected] of [0.048, 0.216, 0.333].entries()) {
      t.true(Math.abs((shares[index] ?? 0) - expected) < 0.02, `${shares[index]} instead of ${expected}`);
    }
  });
}

test("the first endpoints of a Service are not new, nor are all new ones together anything less", (t) => {
  const slowStart = { windowMs: 30_000, minPercent: 10 };
  const { run, change } = setUp(three.slice(0, 1), { slowStart }, { algorithm: "random" });
  t.is(shareOf(run(10), A), 1);
  change({ candidates: three.slice(1) });
  t.true(Math.abs(shareOf(run(4_000), B) - 0.5) < 0.03);
  const fresh = setUp(three, { slowStart }, { algorithm: "random" });
  t.true(Math.abs(shareOf(fresh.run(4_000), A) - 0.333) < 0.03);
});

// Pauses.

test("an endpoint that asks for a pause gets it, and then a share that grows", (t) => {
  const { run, clock, events } = setUp(three, undefined, { algorithm: "random" });
  run(1);
  run(20, { [A]: { status: 503, retryAfterMs: 4_000 } });
  t.deepEqual(events, [`${A} paused 4000`]);
  t.false(run(200).includes(A));
  clock.advance(4_000);
  t.true(Math.abs(shareOf(run(6_000), A) - 0.048) < 0.02);
  clock.advance(4_000);
  t.true(Math.abs(shareOf(run(6_000), A) - 0.333) < 0.02);
});

test("when all endpoints ask for a pause, all are used", (t) => {
  const { run } = setUp(three);
  const limited = { status: 429, retryAfterMs: 10_000 };
  run(6, { [A]: limited, [B]: limited, [C]: limited });
  t.deepEqual([...new Set(run(30))].sort(), [A, B, C]);
});

test("a pause is bounded", (t) => {
  const { run, clock, events } = setUp(three);
  run(3, { [A]: { status: 429, retryAfterMs: 86_400_000 } });
  t.deepEqual(events, ["limit endpoint-pause", `${A} paused ${MAX_PAUSE_MS}`]);
  clock.advance(MAX_PAUSE_MS);
  t.true(run(60).includes(A));
});

test("no pause is given where the policy says so", (t) => {
  const { run, events } = setUp(three, { honorsRetryAfter: false });
  run(30, { [A]: { status: 429, retryAfterMs: 5_000 } });
  t.deepEqual(events, []);
  t.is(shareOf(run(30), A), 1 / 3);
});

// Hashes.

test("equal values go to the same endpoint, and requests without one where there is the least to do", (t) => {
  const { run, pick } = setUp(three, undefined, { algorithm: "hash" });
  const owners = new Set<string>();
  for (let user = 0; user < 50; user += 1) {
    const keys = new Set(run(5, {}, { hashValue: `user-${user}` }));
    t.is(keys.size, 1);
    owners.add([...keys][0] ?? "");
  }
  t.is(owners.size, 3);
  const open = Array.from({ length: 30 }, () => pick().candidate.key);
  for (const key of [A, B, C]) t.true(Math.abs(shareOf(open, key) - 1 / 3) < 0.07);
});

test("an ejected endpoint's values go to others and come back, and all other values stay", (t) => {
  const { run, clock } = setUp(three, outlier({ consecutiveErrors: 2 }), { algorithm: "hash" });
  const users = Array.from({ length: 300 }, (_, user) => ({ hashValue: `user-${user}` }));
  const owners = (behaviours: Behaviours = {}) => users.map((user) => run(1, behaviours, user)[0]);
  const before = owners();
  owners({ [A]: { status: 500 } });
  const meanwhile = owners();
  t.false(meanwhile.includes(A));
  for (const [index, owner] of before.entries()) if (owner !== A) t.is(meanwhile[index], owner);
  clock.advance(1_000);
  owners();
  t.deepEqual(owners(), before);
});

test("a new endpoint takes one value after the other, each once, and in the end its share of all", (t) => {
  const slowStart = { windowMs: 10_000, minPercent: 10 };
  const { run, clock, change } = setUp(three, { slowStart }, { algorithm: "hash" });
  const users = Array.from({ length: 2_000 }, (_, user) => ({ hashValue: `user-${user}` }));
  const owners = () => users.map((user) => run(1, {}, user)[0]);
  let before = owners();
  change({ candidates: candidatesWithWeights([100, 100, 100, 100]) });
  let moved = 0;
  for (let second = 0; second <= 10; second += 1) {
    const now = owners();
    for (const [index, owner] of now.entries()) {
      if (owner === before[index]) continue;
      t.is(owner, "shop/pod-3:8080");
      moved += 1;
    }
    before = now;
    clock.advance(1_000);
  }
  t.true(Math.abs(moved / users.length - 0.25) < 0.03, String(moved / users.length));
});

// Spill-over.

const near4far4 = candidatesWithWeights(Array.from({ length: 8 }, () => 100)).map(
  (candidate, index): Candidate => (index < 4 ? candidate : { ...candidate, far: true }),
);
const isFar = (key: string): boolean => near4far4.some((each) => each.key === key && each.far === true);
const farShare = (keys: readonly string[]): number => keys.filter(isFar).length / keys.length;

for (const algorithm of WEIGHED) {
  test(`with ${algorithm} far endpoints take nothing, and once too few near ones can, a part`, (t) => {
    const spillOver = { minHealthyPercent: 70, nearWeight: 400 };
    const { run } = setUp(near4far4, { spillOver, outlier: { consecutiveErrors: 1 } }, { algorithm });
    t.is(farShare(run(200)), 0);
    run(200, { [A]: { status: 500 } });
    t.is(farShare(run(200)), 0, "three of four are 75 %");
    run(200, { [A]: { status: 500 }, [B]: { status: 500 } });
    const keys = run(8_000);
    // 50 % of 70 %.
    t.true(Math.abs(farShare(keys) - 2 / 7) < 0.02, String(farShare(keys)));
    t.false(keys.includes(A) || keys.includes(B));
  });
}

test("near endpoints that the table leaves out count as well", (t) => {
  const spillOver = { minHealthyPercent: 80, nearWeight: 1_000 };
  const { run } = setUp(near4far4, { spillOver }, { algorithm: "random" });
  t.true(Math.abs(farShare(run(8_000)) - 0.5) < 0.02);
});

test("a retry after a near endpoint goes near while enough are left, and anywhere when none is", (t) => {
  const spillOver = { minHealthyPercent: 70, nearWeight: 400 };
  const { run } = setUp(near4far4, { spillOver });
  const nearKeys = near4far4.slice(0, 4).map(({ key }) => key);
  t.is(farShare(run(50, {}, { exclude: new Set([A]) })), 0);
  t.is(farShare(run(50, {}, { exclude: new Set(nearKeys) })), 1);
  t.is(farShare(run(50)), 0, "and the next request is as before");
});

// Whatever happens.

test("somebody can always be picked, and weights stay finite and above 0", (t) => {
  const behaviour = fc.constantFrom<Behaviour | "left">(
    { status: 200 },
    { status: 500 },
    { status: 200, latencyMs: 900 },
    { status: 503, retryAfterMs: 3_000 },
    "broken",
    "failed",
    "left",
  );
  const step = fc.record({ what: behaviour, afterMs: fc.nat(4_000), count: fc.integer({ min: 1, max: 7 }) });
  const algorithm = fc.constantFrom<LoadBalancerAlgorithm>(...WEIGHED, "hash", "source-hash");
  const percent = fc.integer({ min: 0, max: 100 });
  fc.assert(
    fc.property(algorithm, percent, fc.array(step, { maxLength: 100 }), (strategy, maxEjectionPercent, steps) => {
      const choice = {
        outlier: {
          consecutiveErrors: 2,
          successShare: { ...SHARE, minRequests: 3 },
          latency: { ...LATENCY, minRequests: 2 },
          returnMs: 2_000,
        },
        slowStart: { windowMs: 3_000, minPercent: 1 },
        spillOver: { minHealthyPercent: 70, nearWeight: 500 },
      };
      const ejection = { ...EJECTION, maxEjectionPercent };
      const { pick, clock, change } = setUp(near4far4, choice, { algorithm: strategy, ejection });
      for (const [index, { what, afterMs, count }] of steps.entries()) {
        clock.advance(afterMs);
        if (index % 5 === 0) change({ candidates: near4far4.slice(0, count + 1) });
        const attempt = pick({ hashValue: `${index}`, ...(index % 3 === 0 ? { exclude: new Set([A]) } : {}) });
        if (what === "left") attempt.finished();
        else conclude(attempt, what);
      }
      return true;
    }),
  );
  t.pass();
});
