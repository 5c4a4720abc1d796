import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test from "ava";
import { explainLive } from "../../../cli/explain-command.ts";
import { type AdminPort, portAtUrl } from "../../../cli/explain/admin-port.ts";
import { readDocuments } from "../../../cli/read-documents.ts";
import type { LiveEndpoint } from "../../../protocol/live-state.ts";
import { checkDocuments } from "../../../routing/check-documents.ts";

const { documents } = readDocuments(["test/unit/cli/policies"]);
const { contents, routes } = checkDocuments(documents);
// As if all of it were in force.
const TABLE = JSON.parse(JSON.stringify({ epoch: "e", sequence: 7, ...contents, routes })) as object;

const FLAGS = { from: "shop/web", to: "http://catalog/", method: "GET", header: [], claim: [] };

const seen = (worker: number, more: Partial<LiveEndpoint> = {}): LiveEndpoint => ({
  worker,
  destination: "shop/catalog:80",
  ofRequests: true,
  endpoint: "shop/catalog-1:8080",
  address: "10.1.0.3",
  state: "serving",
  inFlight: 2,
  ...more,
});

function agent(
  endpoints: readonly LiveEndpoint[],
  dump: object = { node: "node-1", table: TABLE },
  protection: object = {},
): AdminPort {
  return {
    name: "agent of node-1",
    get: (path) => {
      if (path === "/config_dump") return Promise.resolve(dump);
      const { pathname, searchParams } = new URL(path, "http://x");
      if (pathname === "/protection") {
        return Promise.resolve({ node: "node-1", breakers: [], gates: [], rates: [], quotas: [], ...protection });
      }
      const service = searchParams.get("service");
      return Promise.resolve({ node: "node-1", service, endpoints });
    },
  };
}

test("explain asks an agent for its table, and says what its workers know of the candidates", async (t) => {
  const text = await explainLive(
    agent([
      seen(0),
      seen(1, { state: "ejected", ejectedForMs: 8_300, inFlight: 0 }),
      seen(1, { ofRequests: false, inFlight: 9 }),
    ]),
    FLAGS,
  );
  t.regex(text, /^in force {4}agent of node-1, table 7$/m);
  t.regex(text, /^route {7}HTTPRoute shop\/catalog, rule 1$/m);
  t.regex(
    text,
    /- shop\/catalog-1 10\.1\.0\.3:8080 on node-1, ready, weight 100; ejected in 1 of 2 workers, for 9 s more; 2 in flight$/m,
  );
  t.regex(text, /- shop\/catalog-2 10\.1\.0\.4:8080 on node-1, ready, weight 100$/m);
  t.regex(text, /^breaker {5}.*\(TrafficPolicy shop\/catalog, for Service shop\/catalog\)$/m);
});

test("what an endpoint has asked for, and what it has of its weight, is told", async (t) => {
  const text = await explainLive(agent([seen(0, { pausedForMs: 1_500 }), seen(1, { weightNow: 30 })]), FLAGS);
  t.regex(text, /catalog-1 .*, weight 100; asked for a pause, 2 s more; now weight 30; 4 in flight$/m);
});

const SCOPE = "Service shop/catalog";
const [BY_IDENTITY, OF_ALL] = routes.find(({ service }) => service === "shop/catalog")?.rules[0]?.rateLimits ?? [];

async function presentOf(protection: object): Promise<readonly string[]> {
  const text = await explainLive(agent([], undefined, protection), FLAGS);
  return [...text.matchAll(/^ +now (.*)$/gm)].map(([, now]) => now ?? "");
}

test("how breakers, limits and quotas stand is told, of all workers together", async (t) => {
  t.deepEqual(await presentOf({}), [
    ...Array.from({ length: 4 }, () => "unused: no request has met it"),
    "unused: no request of late",
  ]);
  const closed = { worker: 0, scope: SCOPE, state: "closed", requests: 30, errors: 1, closedForMs: 0 };
  const gate = { worker: 0, scope: SCOPE, inside: 50, maxRequests: 50, waiting: 3, maxWaiting: 25 };
  const protection = {
    breakers: [closed, { ...closed, worker: 1, requests: 10, errors: 0 }],
    gates: [gate, { ...gate, worker: 1, inside: 2, waiting: 0 }, { ...gate, scope: "Service shop/cart" }],
    rates: [
      { worker: 0, scope: SCOPE, limit: OF_ALL, left: 249.96, burst: 250 },
      { worker: 1, scope: SCOPE, limit: OF_ALL, left: 0, burst: 250 },
      { worker: 0, scope: SCOPE, limit: BY_IDENTITY, left: 10, burst: 10, values: { count: 2, fewestLeft: 0.5 } },
      { worker: 1, scope: SCOPE, limit: BY_IDENTITY, left: 10, burst: 10 },
    ],
    quotas: [{ name: "all", requests: 500, perMs: 1_000, standing: "leased", share: 120.04, leaseEndsInMs: 1_400 }],
  };
  t.deepEqual(await presentOf(protection), [
    "52 at once, 3 waiting",
    "closed, 2.5 % errors of 40 requests",
    "2 values told apart, the busiest has 0.5 left; without a value 20 of 20 at once left",
    "250 of 500 at once left",
    "120 for this agent, leased for 2 s more unless renewed",
  ]);
  const json = await explainLive(agent([], undefined, protection), { ...FLAGS, json: true });
  t.deepEqual((JSON.parse(json) as { protection: object }).protection, { node: "node-1", ...protection });
});

test("of a breaker that is not closed it is told what opened it, and when a request finds out", async (t) => {
  const open = { worker: 0, scope: SCOPE, state: "open", requests: 20, errors: 12, closedForMs: 3_200 };
  const breakerNow = async (...breakers: readonly object[]) => (await presentOf({ breakers }))[1];
  t.is(await breakerNow(open), "open after 60 % errors of 20 requests, 4 s until one finds out");
  const due = { ...open, closedForMs: 0 };
  t.is(await breakerNow(due), "open after 60 % errors of 20 requests, the next request finds out");
  const probes = { good: 1, wanted: 3 };
  t.is(
    await breakerNow({ ...due, state: "half-open", probes }, { ...open, worker: 1, state: "closed", errors: 0 }),
    "half-open in 1 of 2 workers after 60 % errors of 20 requests, 1 of 3 good so far, the next request finds out; " +
      "closed in 1 of 2 workers, 0 % errors of 20 requests",
  );
});

test("a caller of another node is told of, as its agent may see endpoints otherwise", async (t) => {
  const text = await explainLive(agent([], { node: "node-2", table: TABLE }), FLAGS);
  t.regex(text, /^in force {4}agent of node-2, table 7; the caller is on node-1/m);
});

test("a controller has the table, and knows nothing of endpoints", async (t) => {
  const controller: AdminPort = { name: "controller c-1", get: () => Promise.resolve(TABLE) };
  t.regex(await explainLive(controller, FLAGS), /^in force {4}controller c-1, table 7$/m);
  const json = JSON.parse(await explainLive(controller, { ...FLAGS, json: true })) as object;
  t.like(json, { about: "controller c-1, table 7", live: [], by: { kind: "HTTPRoute" }, protection: undefined });
});

test("without a table, without an answer, and with one that is none, explain says so", async (t) => {
  await t.throwsAsync(explainLive(agent([], { node: "node-1", table: null }), FLAGS), {
    message: "agent of node-1 has no table yet",
  });
  await t.throwsAsync(explainLive(agent([], {}), FLAGS), { message: "agent of node-1 has no table yet" });
  await t.throwsAsync(explainLive(agent([]), { ...FLAGS, to: "http://catalogue/" }), {
    message: "catalogue is no Service in the table of agent of node-1, did you mean shop/catalog",
  });
  const server = createServer((request, response) => {
    response.writeHead(request.url === "/config_dump" ? 404 : 200).end("try /livez\n");
  }).listen(0, "127.0.0.1");
  t.teardown(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await t.throwsAsync(explainLive(portAtUrl(url), FLAGS), {
    message: `${url} gives no answer to /config_dump: HTTP status 404, try /livez`,
  });
  await t.throwsAsync(portAtUrl(url).get("/other"), { message: /gives no answer to \/other: .*JSON/s });
  t.throws(() => portAtUrl("nowhere"), { message: /^--url wants a URL/ });
});
