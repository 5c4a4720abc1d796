/** Everything at once, against servers in any mood and clients that leave at any time: each is answered, and nothing is left. */
import test from "ava";
import type { RequestListener } from "node:http";
import type { RouteMirror, RouteRule } from "../../../../protocol/route-table.ts";
import { httpOrigin } from "../../../support/http-origin.ts";
import { forward, HttpWorld } from "../../../support/http-world.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const BUDGET = { percent: 50, intervalMs: 10_000, minRetries: 1_000, minRetriesIntervalMs: 1_000 };
const PART = { policy: "shop/p", scope: "Service shop/catalog" };
const MIRROR: RouteMirror = { service: "shop/mirror", port: 80, numerator: 1, denominator: 1 };
const REQUESTS = 300;
const LOOPS = 12;

const RULE: Partial<RouteRule> = {
  timeouts: { requestMs: 2_000, perTryMs: 500 },
  retry: { attempts: 1, on: ["reset", "gateway-error"], backoffMs: 1, budget: BUDGET },
  hedging: { ...PART, afterMs: 10, attempts: 1, budget: BUDGET },
  collapsing: { ...PART, headers: [], maxWaiting: 4 },
  fallback: { ...PART, on: [502, 503, 504], backend: { service: "shop/old", port: 80 }, lastGoodMs: 60_000 },
};

/** Answers well, late, with an error, in parts, for one client alone, half, or not at all. */
function moody(random: () => number): RequestListener {
  return (request, response) => {
    request.resume();
    const body = Buffer.alloc(Math.floor(random() * 40_000), "x");
    const mood = Math.floor(random() * 10);
    if (mood === 0) response.writeHead(503).end();
    else if (mood === 1) request.socket.destroy();
    else if (mood === 2) setTimeout(() => response.end(body), 30);
    else if (mood === 3) response.setHeader("set-cookie", "a=b").end(body);
    else if (mood === 4) response.write(body, () => response.end(body));
    else if (mood === 5) response.write(body, () => request.socket.destroy());
    else response.end(body);
  };
}

test("whatever happens, requests are over and nothing of them is left", async (t) => {
  const random = seededRandom(11);
  const listener = moody(random);
  const origins = [await httpOrigin(t, listener), await httpOrigin(t, listener), await httpOrigin(t, listener)];
  const mirror = await httpOrigin(t, listener);
  const old = await httpOrigin(t, listener);
  const world = await HttpWorld.create(t, {
    origins: origins.map(({ port }) => port),
    others: { "shop/mirror": [mirror.port], "shop/old": [old.port] },
    decide: (facts) => forward(facts, { rule: RULE, mirrors: [MIRROR] }),
  });
  let left = REQUESTS;
  const outcomes = { answered: 0, broken: 0 };
  const loop = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const method = random() < 0.7 ? "GET" : "PUT";
      const body = method === "PUT" ? Buffer.alloc(Math.floor(random() * 80_000)) : null;
      const signal = AbortSignal.timeout(random() < 0.2 ? 5 : 5_000);
      try {
        const response = await fetch(`${world.url}/${Math.floor(random() * 3)}`, { method, body, signal });
        await response.arrayBuffer();
        outcomes.answered += 1;
      } catch {
        outcomes.broken += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: LOOPS }, loop));
  t.log(outcomes, world.requests());
  t.true(outcomes.answered > REQUESTS / 2);
  t.is(world.plane.collapsed.size, 0);
  // Of clients that are not asked any more: their connections are kept by `fetch`.
  world.connections.close();
  await world.settle();
  t.is(world.plane.upstreams.size, 0);
});
