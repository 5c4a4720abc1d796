/** The balancer as outbound uses it: picks, verdicts, ejections, retries, bounds. */
import test from "ava";
import fc from "fast-check";
import type { Attempt } from "../../../../agent/balance/attempt.ts";
import { Balancers } from "../../../../agent/balance/balancers.ts";
import { DESTINATION_IDLE_MS, SWEEP_PERIOD_MS } from "../../../../agent/balance/limits.ts";
import type { PickRequest } from "../../../../agent/balance/pick-request.ts";
import type { EjectionSettings } from "../../../../protocol/table.ts";
import type { Candidate } from "../../../../routing/decide-connection.ts";
import { candidate, candidatesWithWeights } from "../../../support/candidates.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const EJECTION: EjectionSettings = {
  consecutiveFailures: 2,
  baseEjectionMs: 1_000,
  maxEjectionMs: 60_000,
  maxEjectionPercent: 50,
};

function setUp(candidates: readonly Candidate[], overrides: Partial<PickRequest> = {}, maxDestinations = 10_000) {
  const clock = new FakeClock();
  const events: string[] = [];
  const balancers = new Balancers({
    clock,
    random: seededRandom(42),
    maxDestinations,
    events: {
      ejected: ({ candidate: { key }, cause, ejectionMs }) => events.push(`ejected ${key} ${cause} ${ejectionMs}`),
      returned: (event) => events.push(`returned ${event.candidate.key}`),
      paused: (event) => events.push(`paused ${event.candidate.key} ${event.pauseMs}`),
      limitHit: (limit) => events.push(`limit ${limit}`),
    },
  });
  const request: PickRequest = {
    destination: "10.96.0.1:80",
    candidates,
    algorithm: "round-robin",
    ejection: EJECTION,
    sourceAddress: "10.244.1.1",
    ...overrides,
  };
  const pick = (more: Partial<PickRequest> = {}): Attempt => {
    const attempt = balancers.pick({ ...request, ...more });
    if (attempt === undefined) throw new Error("Nothing was picked");
    return attempt;
  };
  /** Picks until every picked one is judged; those of `dead` fail, the others connect and end. Gives the keys picked. */
  const run = (rounds: number, dead: ReadonlySet<string>): string[] =>
    Array.from({ length: rounds }, () => {
      const attempt = pick();
      if (dead.has(attempt.candidate.key)) attempt.failed();
      else {
        attempt.connected(1);
        attempt.finished();
      }
      return attempt.candidate.key;
    });
  return { clock, events, balancers, request, pick, run };
}

const A = "shop/pod-0:8080";
const B = "shop/pod-1:8080";
const C = "shop/pod-2:8080";

test("a pick from no candidates gives nothing", (t) => {
  const { balancers, request } = setUp([]);
  t.is(balancers.pick(request), undefined);
});

test("a pick of one endpoint only gets that one, and counts for it, unless it is ejected or unknown", (t) => {
  const candidates = candidatesWithWeights([100, 100]);
  const { balancers, request, pick } = setUp(candidates, { algorithm: "least-request" });
  const [only, other] = candidates as [Candidate, Candidate];
  for (let count = 0; count < 5; count += 1) t.is(pick({ only }).candidate, only);
  t.is(pick().candidate, other, "the other one has less to do");
  for (let count = 0; count < EJECTION.consecutiveFailures; count += 1) pick({ only: other }).failed();
  t.is(balancers.pick({ ...request, only: other }), undefined);
  t.is(balancers.pick({ ...request, only: { ...only, address: "10.0.0.9" } }), undefined);
});

test("a pick from candidates that are all excluded gives nothing", (t) => {
  const { balancers, request } = setUp(candidatesWithWeights([1, 1]));
  t.is(balancers.pick({ ...request, exclude: new Set([A, B]) }), undefined);
});

test("a retry goes to an endpoint that was not tried", (t) => {
  const { pick } = setUp(candidatesWithWeights([100, 100, 100]));
  for (let round = 0; round < 50; round += 1) {
    const first = pick();
    const second = pick({ exclude: new Set([first.candidate.key]) });
    t.not(second.candidate.key, first.candidate.key);
    first.failed();
    first.finished();
    second.connected(1);
    second.finished();
  }
});

test("a failing endpoint is ejected after the failures the settings name, and gets nothing more", (t) => {
  const { run, events } = setUp(candidatesWithWeights([100, 100]));
  run(4, new Set());
  run(4, new Set([A]));
  t.deepEqual(events, [`ejected ${A} connect-failures 1000`]);
  t.deepEqual(new Set(run(20, new Set([A]))), new Set([B]));
});

test("an ejected endpoint gets one probe at a time when its time is over", (t) => {
  const { run, pick, clock } = setUp(candidatesWithWeights([100, 100]));
  run(4, new Set([A]));
  clock.advance(1_000);
  const attempts = Array.from({ length: 10 }, () => pick());
  const probes = attempts.filter((attempt) => attempt.candidate.key === A);
  t.is(probes.length, 1);
  t.true(probes[0]?.probe);
});

test("a probe that connects brings the endpoint back for everybody", (t) => {
  const { run, clock, events } = setUp(candidatesWithWeights([100, 100]));
  run(4, new Set([A]));
  clock.advance(1_000);
  run(10, new Set());
  t.is(events.at(-1), `returned ${A}`);
  t.is(run(10, new Set()).filter((key) => key === A).length, 5);
});

test("a probe that fails ejects at once and for twice as long", (t) => {
  const { run, clock, events } = setUp(candidatesWithWeights([100, 100]));
  run(4, new Set());
  run(4, new Set([A]));
  clock.advance(1_000);
  t.is(run(10, new Set([A])).filter((key) => key === A).length, 1);
  t.regex(events.at(-1) ?? "", /ejected shop\/pod-0:8080 connect-failures 2000/);
  clock.advance(1_999);
  t.false(run(10, new Set()).includes(A));
  clock.advance(1);
  t.true(run(10, new Set()).includes(A));
});

test("a probe that is given up leaves the endpoint out and lets the next connection probe", (t) => {
  const { run, pick, clock } = setUp(candidatesWithWeights([100, 100]));
  run(4, new Set([A]));
  clock.advance(1_000);
  const first = Array.from({ length: 4 }, () => pick()).find((attempt) => attempt.probe);
  first?.finished();
  const second = Array.from({ length: 4 }, () => pick()).find((attempt) => attempt.probe);
  t.is(second?.candidate.key, A);
});

test("a retry prefers an endpoint that serves over one that is due for a probe", (t) => {
  const { run, pick, clock } = setUp(candidatesWithWeights([100, 100, 100, 100]));
  run(8, new Set([A]));
  clock.advance(1_000);
  for (let round = 0; round < 20; round += 1) t.not(pick({ exclude: new Set([B]) }).candidate.key, A);
});

test("a retry takes an ejected endpoint when nothing else is left", (t) => {
  const { run, pick, events } = setUp(candidatesWithWeights([100, 100]));
  run(4, new Set([A]));
  const attempt = pick({ exclude: new Set([B]) });
  t.is(attempt.candidate.key, A);
  t.false(attempt.probe);
  attempt.connected(1);
  t.is(events.at(-1), `returned ${A}`);
});

test("no more endpoints are ejected than the settings' share", (t) => {
  const { run, events } = setUp(candidatesWithWeights([100, 100, 100, 100]));
  const everyone = new Set([A, B, C, "shop/pod-3:8080"]);
  const late = run(100, everyone).slice(-20);
  t.is(events.filter((event) => event.startsWith("ejected")).length, 2);
  t.is(new Set(late).size, 2);
  t.true(events.includes("limit ejected-endpoints"));
});

test("the last endpoint stays even when all may be ejected", (t) => {
  const settings = { ...EJECTION, maxEjectionPercent: 100 };
  const { run, events } = setUp(candidatesWithWeights([100, 100, 100]), { ejection: settings });
  run(50, new Set([A, B, C]));
  t.is(events.filter((event) => event.startsWith("ejected")).length, 2);
});

test("the only endpoint is never ejected and no limit is reported for it", (t) => {
  const { run, events } = setUp(candidatesWithWeights([100]));
  t.deepEqual(new Set(run(20, new Set([A]))), new Set([A]));
  t.deepEqual(events, []);
});

test("endpoints come back when their siblings left and too large a share would be out", (t) => {
  const four = candidatesWithWeights([100, 100, 100, 100]);
  const { run, pick } = setUp(four);
  run(16, new Set([A, B]));
  // Of the two ejected ones, one must return: half of two is one.
  const two = four.slice(0, 2);
  const picked = new Set(Array.from({ length: 10 }, () => pick({ candidates: two }).candidate.key));
  t.is(picked.size, 1);
});

test("ejections end when the settings turn ejection off", (t) => {
  const { run, pick } = setUp(candidatesWithWeights([100, 100]));
  run(4, new Set([A]));
  const off = { ...EJECTION, consecutiveFailures: 0 };
  const picked = new Set(Array.from({ length: 4 }, () => pick({ ejection: off }).candidate.key));
  t.deepEqual([...picked].sort(), [A, B]);
});

test("a table change that keeps an endpoint keeps its ejection and its connections under way", (t) => {
  const { run, pick } = setUp(candidatesWithWeights([100, 100]), { algorithm: "least-request" });
  run(30, new Set([A]));
  const grown = candidatesWithWeights([100, 100, 100]);
  const open = Array.from({ length: 10 }, () => pick({ candidates: grown }).candidate.key);
  t.false(open.includes(A));
  t.is(open.filter((key) => key === B).length, 5);
});

test("an endpoint that left the table and came back starts afresh", (t) => {
  const both = candidatesWithWeights([100, 100]);
  const { run, pick } = setUp(both);
  run(4, new Set([A]));
  pick({ candidates: both.slice(1) }).finished();
  const picked = new Set(Array.from({ length: 4 }, () => pick({ candidates: [...both] }).candidate.key));
  t.deepEqual([...picked].sort(), [A, B]);
});

test("a pod that came back under its old name with another address starts afresh", (t) => {
  const { run, pick } = setUp([candidate("pod-0", { address: "10.0.0.1" }), candidate("pod-1")]);
  run(4, new Set([A]));
  const moved = [candidate("pod-0", { address: "10.0.0.9" }), candidate("pod-1")];
  const addresses = new Set(Array.from({ length: 4 }, () => pick({ candidates: moved }).candidate.address));
  t.true(addresses.has("10.0.0.9"));
});

test("clients of both address families in turn keep the ejections of both", (t) => {
  const ipv4 = candidatesWithWeights([100, 100]);
  const ipv6 = ipv4.map((each, index) => ({ ...each, address: `fd00::${index + 1}` }));
  const { pick } = setUp(ipv4);
  const picked: string[] = [];
  for (let round = 0; round < 30; round += 1) {
    const attempt = pick({ candidates: round % 2 === 0 ? ipv4 : ipv6 });
    picked.push(attempt.candidate.key);
    if (attempt.candidate.key === A) attempt.failed();
    else attempt.connected(1);
    attempt.finished();
  }
  t.is(picked.filter((key) => key === A).length, 4);
});

test("verdicts on an endpoint that left the table meanwhile are ignored", (t) => {
  const both = candidatesWithWeights([100, 100]);
  const { pick, events } = setUp(both);
  const attempts = Array.from({ length: 8 }, () => pick());
  pick({ candidates: [candidate("pod-9"), candidate("pod-8")] }).finished();
  for (const attempt of attempts) attempt.failed();
  t.deepEqual(events, []);
});

test("reports out of order are ignored", (t) => {
  const { pick, events } = setUp(candidatesWithWeights([100, 100]), { algorithm: "least-request" });
  for (let round = 0; round < 10; round += 1) {
    const attempt = pick();
    attempt.connected(1);
    attempt.failed();
    attempt.finished();
    attempt.finished();
    attempt.failed();
    attempt.connected(2);
  }
  t.deepEqual(events, []);
});

test("successes in between keep an endpoint with some failures in service", (t) => {
  const { pick, events } = setUp(candidatesWithWeights([100, 100]));
  for (let round = 0; round < 40; round += 1) {
    const attempt = pick();
    if (round % 4 < 2) attempt.failed();
    else attempt.connected(1);
    attempt.finished();
  }
  t.deepEqual(events, []);
});

test("round-robin of many agents that start together does not begin at the same endpoint", (t) => {
  const random = seededRandom(9);
  const candidates = candidatesWithWeights([100, 100, 100, 100]);
  const counts = new Map<string, number>();
  for (let agent = 0; agent < 4_000; agent += 1) {
    const balancers = new Balancers({ clock: new FakeClock(), random });
    const key = balancers.pick({ ...setUp(candidates).request, destination: "d" })?.candidate.key ?? "";
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const count of counts.values()) t.true(count > 900 && count < 1_100, String(count));
});

test("ejections hold in every algorithm", (t) => {
  for (const algorithm of ["least-request", "peak-ewma", "round-robin", "random", "source-hash"] as const) {
    const { pick, balancers, request } = setUp(candidatesWithWeights([100, 100, 100]), { algorithm });
    for (let client = 0; client < 200; client += 1) {
      const attempt = pick({ sourceAddress: `10.244.1.${client}` });
      if (attempt.candidate.key === B) attempt.failed();
      else attempt.connected(1);
      attempt.finished();
    }
    for (let client = 0; client < 200; client += 1) {
      const attempt = balancers.pick({ ...request, algorithm, sourceAddress: `10.244.2.${client}` });
      t.not(attempt?.candidate.key, B, algorithm);
      attempt?.finished();
    }
  }
});

test("source-hash sends only the clients of an ejected endpoint elsewhere", (t) => {
  const { pick } = setUp(candidatesWithWeights([100, 100, 100]), { algorithm: "source-hash" });
  const clients = Array.from({ length: 100 }, (_, index) => `10.244.1.${index}`);
  const ownerOf = (sourceAddress: string): string => {
    const attempt = pick({ sourceAddress });
    attempt.finished();
    return attempt.candidate.key;
  };
  const before = clients.map(ownerOf);
  const victim = clients[before.indexOf(A)] ?? "";
  pick({ sourceAddress: victim }).failed();
  pick({ sourceAddress: victim }).failed();
  for (const [index, owner] of before.entries()) {
    const after = ownerOf(`10.244.1.${index}`);
    if (owner === A) t.not(after, A);
    else t.is(after, owner);
  }
});

test("the destination unused for longest is forgotten beyond the bound, and the limit is reported", (t) => {
  const { pick, balancers, events } = setUp(candidatesWithWeights([100, 100]), {}, 3);
  for (const destination of ["a", "b", "c", "a", "d"]) pick({ destination }).finished();
  t.is(balancers.size, 3);
  t.deepEqual(events, ["limit balanced-destinations"]);
  pick({ destination: "a" }).finished();
  t.is(events.length, 1);
});

test("an attempt outlives its destination", (t) => {
  const { pick } = setUp(candidatesWithWeights([100, 100]), {}, 1);
  const attempt = pick({ destination: "a" });
  pick({ destination: "b" }).finished();
  t.notThrows(() => {
    attempt.connected(3);
    attempt.finished();
  });
});

test("unused destinations are forgotten after their idle time", (t) => {
  const { pick, balancers, clock } = setUp(candidatesWithWeights([100, 100]));
  for (let index = 0; index < 100; index += 1) pick({ destination: `d${index}` }).finished();
  clock.advance(DESTINATION_IDLE_MS - 1);
  pick({ destination: "d99" }).finished();
  clock.advance(SWEEP_PERIOD_MS);
  pick({ destination: "fresh" }).finished();
  t.is(balancers.size, 2);
});

test("whatever happens, at least the guaranteed share of endpoints can be picked", (t) => {
  const step = fc.record({ outcome: fc.constantFrom("connect", "fail", "abandon"), afterMs: fc.nat(3_000) });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 0, max: 100 }),
      fc.array(step, { maxLength: 120 }),
      (count, maxEjectionPercent, steps) => {
        const ejection = { ...EJECTION, maxEjectionPercent };
        const { pick, clock } = setUp(candidatesWithWeights(Array.from({ length: count }, () => 100)), { ejection });
        for (const { outcome, afterMs } of steps) {
          clock.advance(afterMs);
          const attempt = pick();
          if (outcome === "connect") attempt.connected(1);
          if (outcome === "fail") attempt.failed();
          attempt.finished();
        }
        const reachable = new Set(Array.from({ length: count * 2 }, () => pick().candidate.key));
        const cap = Math.max(0, Math.min(count - 1, Math.floor((count * maxEjectionPercent) / 100)));
        return reachable.size >= count - cap;
      },
    ),
  );
  t.pass();
});
