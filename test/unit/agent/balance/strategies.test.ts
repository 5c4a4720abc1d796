/** The contract of every balancing strategy, and what each one promises beyond it. */
import test from "ava";
import fc from "fast-check";
import { EndpointPool } from "../../../../agent/balance/endpoint-pool.ts";
import { Endpoint } from "../../../../agent/balance/endpoint.ts";
import { loadBalancerFor } from "../../../../agent/balance/load-balancer-for.ts";
import type { LoadBalancerAlgorithm } from "../../../../protocol/table.ts";
import { candidate, candidatesWithWeights } from "../../../support/candidates.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const ALGORITHMS: readonly LoadBalancerAlgorithm[] = [
  "least-request",
  "peak-ewma",
  "round-robin",
  "random",
  "source-hash",
];

function poolOf(weights: readonly number[]): EndpointPool {
  return new EndpointPool(candidatesWithWeights(weights).map((each) => new Endpoint(each)));
}

/** The share of `rounds` picks that each endpoint got; every connection ends at once. */
function sharesOf(algorithm: LoadBalancerAlgorithm, pool: EndpointPool, rounds: number): number[] {
  const random = seededRandom(7);
  const pick = loadBalancerFor(algorithm);
  const counts = new Map<Endpoint, number>();
  for (let round = 0; round < rounds; round += 1) {
    const sourceAddress = `10.${round >>> 16}.${(round >>> 8) & 255}.${round & 255}`;
    const endpoint = pick(pool, { sourceAddress, nowMs: round, random });
    if (endpoint !== undefined) counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
  }
  return pool.endpoints.map((endpoint) => (counts.get(endpoint) ?? 0) / rounds);
}

function isNear(actual: number, expected: number, tolerance: number): boolean {
  return Math.abs(actual - expected) <= tolerance;
}

for (const algorithm of ALGORITHMS) {
  test(`${algorithm} gives nothing for an empty pool`, (t) => {
    const pick = loadBalancerFor(algorithm);
    t.is(pick(poolOf([]), { sourceAddress: "10.0.0.1", nowMs: 0, random: seededRandom(1) }), undefined);
  });

  test(`${algorithm} gives the only endpoint of a pool of one`, (t) => {
    const pool = poolOf([100]);
    const pick = loadBalancerFor(algorithm);
    t.is(pick(pool, { sourceAddress: "10.0.0.1", nowMs: 0, random: seededRandom(1) }), pool.endpoints[0]);
  });

  test(`${algorithm} uses idle endpoints of equal weight equally`, (t) => {
    for (const share of sharesOf(algorithm, poolOf([100, 100, 100, 100]), 20_000)) {
      t.true(isNear(share, 0.25, 0.015), String(share));
    }
  });

  test(`${algorithm} uses idle endpoints in proportion to their weights`, (t) => {
    const [heavy = 0, middle = 0, light = 0] = sharesOf(algorithm, poolOf([600, 300, 100]), 20_000);
    t.true(isNear(heavy, 0.6, 0.02), String(heavy));
    t.true(isNear(middle, 0.3, 0.02), String(middle));
    t.true(isNear(light, 0.1, 0.02), String(light));
  });

  test(`${algorithm} always picks a member of the pool, whatever the weights and loads`, (t) => {
    const endpoints = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 1000 }), inFlight: fc.nat(1000) }), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(endpoints, fc.nat(), fc.ipV4(), (specs, seed, sourceAddress) => {
        const pool = poolOf(specs.map(({ weight }) => weight));
        for (const [index, { inFlight }] of specs.entries()) (pool.endpoints[index] as Endpoint).inFlight = inFlight;
        const endpoint = loadBalancerFor(algorithm)(pool, { sourceAddress, nowMs: 5, random: seededRandom(seed) });
        return endpoint !== undefined && pool.endpoints.includes(endpoint);
      }),
    );
    t.pass();
  });
}

test("least-request keeps connections under way in proportion to weights when they last", (t) => {
  const pool = poolOf([300, 100, 100]);
  const random = seededRandom(3);
  const pick = loadBalancerFor("least-request");
  for (let round = 0; round < 1000; round += 1) {
    const endpoint = pick(pool, { sourceAddress: "10.0.0.1", nowMs: 0, random });
    if (endpoint !== undefined) endpoint.inFlight += 1;
  }
  const shares = pool.endpoints.map((endpoint) => endpoint.inFlight / 1000);
  t.true(isNear(shares[0] ?? 0, 0.6, 0.03), String(shares));
  t.true(isNear(shares[1] ?? 0, 0.2, 0.03), String(shares));
});

test("least-request keeps the longest queue of equal endpoints close to the average", (t) => {
  const pool = poolOf(Array.from({ length: 50 }, () => 100));
  const random = seededRandom(11);
  for (let round = 0; round < 5000; round += 1) {
    const endpoint = loadBalancerFor("least-request")(pool, { sourceAddress: "10.0.0.1", nowMs: 0, random });
    if (endpoint !== undefined) endpoint.inFlight += 1;
  }
  const longest = Math.max(...pool.endpoints.map((endpoint) => endpoint.inFlight));
  // 100 on average; two choices stay within a few, one random choice would reach about 125.
  t.true(longest <= 104, String(longest));
});

test("least-request never picks the busier of two endpoints", (t) => {
  const pool = poolOf([100, 100]);
  const [busy, idle] = pool.endpoints as [Endpoint, Endpoint];
  busy.inFlight = 3;
  const random = seededRandom(5);
  for (let round = 0; round < 100; round += 1) {
    t.is(loadBalancerFor("least-request")(pool, { sourceAddress: "10.0.0.1", nowMs: 0, random }), idle);
  }
});

test("peak-ewma prefers the endpoint that answers faster", (t) => {
  const pool = poolOf([100, 100, 100]);
  const [slow, fast, middling] = pool.endpoints as [Endpoint, Endpoint, Endpoint];
  slow.latency.observe(200, 0);
  fast.latency.observe(1, 0);
  middling.latency.observe(20, 0);
  const [slowShare = 1, fastShare = 0] = sharesOf("peak-ewma", pool, 10_000);
  t.is(slowShare, 0);
  t.true(isNear(fastShare, 2 / 3, 0.02), String(fastShare));
});

test("peak-ewma weighs latency against the connections under way", (t) => {
  const pool = poolOf([100, 100]);
  const [slow, fast] = pool.endpoints as [Endpoint, Endpoint];
  slow.latency.observe(10, 0);
  fast.latency.observe(1, 0);
  fast.inFlight = 20;
  t.is(loadBalancerFor("peak-ewma")(pool, { sourceAddress: "10.0.0.1", nowMs: 0, random: seededRandom(1) }), slow);
});

test("peak-ewma does not send everything to a new endpoint before its first answer", (t) => {
  const pool = poolOf([100, 100]);
  const [known, fresh] = pool.endpoints as [Endpoint, Endpoint];
  known.latency.observe(5, 0);
  const facts = { sourceAddress: "10.0.0.1", nowMs: 0, random: seededRandom(1) };
  t.is(loadBalancerFor("peak-ewma")(pool, facts), fresh);
  fresh.inFlight = 1;
  t.is(loadBalancerFor("peak-ewma")(pool, facts), known);
});

test("round-robin gives each endpoint exactly its share in every full turn", (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 }), (weights) => {
      const pool = poolOf(weights);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const shares = sharesOf("round-robin", pool, total * 3);
      return weights.every((weight, index) => isNear((shares[index] ?? 0) * total, weight, 1e-9));
    }),
  );
  t.pass();
});

test("round-robin does not run the same endpoint in a row when others have credit", (t) => {
  const pool = poolOf([5, 1, 1]);
  const order = Array.from({ length: 7 }, () =>
    pool.endpoints.indexOf(
      loadBalancerFor("round-robin")(pool, { sourceAddress: "", nowMs: 0, random: seededRandom(1) }) as Endpoint,
    ),
  );
  t.deepEqual(order, [0, 0, 1, 0, 2, 0, 0]);
});

test("source-hash gives a client the same endpoint whatever the random source and the order of endpoints", (t) => {
  fc.assert(
    fc.property(fc.ipV6(), fc.nat(), fc.nat(), (sourceAddress, seedA, seedB) => {
      const pool = poolOf([100, 50, 100, 700]);
      const reversed = new EndpointPool(pool.endpoints.toReversed());
      const pick = loadBalancerFor("source-hash");
      const first = pick(pool, { sourceAddress, nowMs: 0, random: seededRandom(seedA) });
      const second = pick(reversed, { sourceAddress, nowMs: 9, random: seededRandom(seedB) });
      return first === second;
    }),
  );
  t.pass();
});

test("source-hash moves only the clients of an endpoint that leaves", (t) => {
  const weights = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 2, maxLength: 20 });
  fc.assert(
    fc.property(weights, fc.nat(), fc.array(fc.ipV4(), { minLength: 1, maxLength: 50 }), (specs, leaving, sources) => {
      const pool = poolOf(specs);
      const gone = pool.endpoints[leaving % specs.length];
      const rest = new EndpointPool(pool.endpoints.filter((endpoint) => endpoint !== gone));
      const pick = loadBalancerFor("source-hash");
      return sources.every((sourceAddress) => {
        const facts = { sourceAddress, nowMs: 0, random: Math.random };
        const before = pick(pool, facts);
        return before === gone || pick(rest, facts) === before;
      });
    }),
  );
  t.pass();
});

test("source-hash gives a new endpoint its share and moves nothing between the others", (t) => {
  const old = poolOf([100, 100, 100]);
  const fresh = new Endpoint(candidate("pod-new"));
  const grown = new EndpointPool([...old.endpoints, fresh]);
  const pick = loadBalancerFor("source-hash");
  let moved = 0;
  for (let client = 0; client < 10_000; client += 1) {
    const facts = { sourceAddress: `10.244.${client >>> 8}.${client & 255}`, nowMs: 0, random: Math.random };
    const after = pick(grown, facts);
    if (after === fresh) moved += 1;
    else t.is(after, pick(old, facts));
  }
  t.true(isNear(moved / 10_000, 0.25, 0.015), String(moved));
});
