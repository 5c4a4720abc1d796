/** The client before servers that are slow, cut, hostile, or have had enough. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import type { ExecutionContext } from "ava";
import type { Clock } from "../../../core/clock.ts";
import { systemClock } from "../../../core/clock.ts";
import { HttpKubeClient } from "../../../kubernetes/http-kube-client.ts";
import { KubeError, type KubeObject, type KubeWatchEvent } from "../../../kubernetes/kube-client.ts";
import { limits, timers } from "../../../kubernetes/limits.ts";
import { eventually } from "../../support/eventually.ts";
import { FakeClock } from "../../support/fake-clock.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface World {
  readonly client: HttpKubeClient;
  readonly requests: IncomingMessage[];
  readonly limitHits: string[];
  readonly forgotten: () => number;
}

async function open(t: ExecutionContext, handler: Handler, clock: Clock = systemClock): Promise<World> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    request.resume();
    handler(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  let forgotten = 0;
  const credentials = {
    server: new URL(`http://127.0.0.1:${port}/behind/a/gateway/`),
    current: () => Promise.resolve({ tls: {}, headers: { authorization: `Bearer token-${forgotten}` } }),
    forget: () => void (forgotten += 1),
  };
  const limitHits: string[] = [];
  const metrics = { limitHit: (limit: string) => void limitHits.push(limit) };
  const client = new HttpKubeClient({ credentials, metrics, clock, random: () => 0 });
  t.teardown(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });
  return { client, requests, limitHits, forgotten: () => forgotten };
}

function watchAll(client: HttpKubeClient): { events: KubeWatchEvent<KubeObject>[]; ended: Promise<void> } {
  const events: KubeWatchEvent<KubeObject>[] = [];
  const ended = client.watch<KubeObject>(
    "/api/v1/pods",
    {},
    (event) => events.push(event),
    new AbortController().signal,
  );
  ended.catch(() => {});
  return { events, ended };
}

function eventLine(name: string): string {
  return `${JSON.stringify({ type: "ADDED", object: { metadata: { name, resourceVersion: "1" } } })}\n`;
}

async function failure(t: ExecutionContext, call: Promise<unknown>): Promise<KubeError> {
  return await t.throwsAsync(call, { instanceOf: KubeError });
}

test("a request says who asks, below the server's own path, with its query and body", async (t) => {
  const { client, requests } = await open(t, (_request, response) => response.end("{}"));
  await client.patch(
    "/api/v1/nodes/a",
    "application/merge-patch+json",
    { a: 1 },
    { fieldManager: "me", dryRun: undefined },
  );
  const [request] = requests;
  t.is(request?.method, "PATCH");
  t.is(request?.url, "/behind/a/gateway/api/v1/nodes/a?fieldManager=me");
  t.regex(request?.headers["user-agent"] ?? "", /^hawser\/\d+\.\d+\.\d+/);
  t.is(request?.headers["content-type"], "application/merge-patch+json");
  t.is(request?.headers["authorization"], "Bearer token-0");
});

test("a refusal tells the server's reason and words, and what was asked", async (t) => {
  const status = { kind: "Status", code: 403, reason: "Forbidden", message: "pods is forbidden: no\nway" };
  const { client } = await open(t, (_request, response) => response.writeHead(403).end(JSON.stringify(status)));
  const error = await failure(t, client.get("/api/v1/pods"));
  t.deepEqual([error.status, error.reason], [403, "Forbidden"]);
  t.is(error.message, "GET /api/v1/pods failed with 403: pods is forbidden: no way");
});

test("a proxy's page is no answer, and shown shortened", async (t) => {
  const { client } = await open(t, (_request, response) => response.writeHead(200).end(`<html>${"x".repeat(5_000)}`));
  const error = await failure(t, client.get("/version"));
  t.deepEqual([error.status, error.reason], [0, "Unreadable"]);
  t.true(error.message.length < 700);
});

test("credentials that are refused are read anew, once", async (t) => {
  const { client, requests, forgotten } = await open(t, (request, response) =>
    response.writeHead(request.headers.authorization === "Bearer token-1" ? 200 : 401).end("{}"),
  );
  await client.get("/version");
  t.is(requests.length, 2);
  t.is(forgotten(), 1);
});

test("credentials that stay wrong are not tried for ever", async (t) => {
  const { client, requests } = await open(t, (_request, response) => response.writeHead(401).end("{}"));
  t.is((await failure(t, client.get("/version"))).status, 401);
  t.is(requests.length, 2);
});

test("429 is asked again after the time that the server wants, and not for ever", async (t) => {
  const clock = new FakeClock();
  const { client, requests } = await open(
    t,
    (_request, response) => response.writeHead(429, { "retry-after": "3" }).end("{}"),
    clock,
  );
  const asked = failure(t, client.get("/version"));
  for (let tries = 1; tries < limits.tries; tries++) {
    await eventually("the next try waits", () => requests.length === tries && clock.pendingTimers === 2);
    clock.advance(2_999);
    await turn();
    t.is(requests.length, tries);
    clock.advance(1);
  }
  const error = await asked;
  t.is(error.status, 429);
  t.is(error.retryAfterMs, 3_000);
  t.is(requests.length, limits.tries);
});

test("a server that does not answer is given up after the time limit", async (t) => {
  const clock = new FakeClock();
  const { client, requests } = await open(t, () => {}, clock);
  const asked = failure(t, client.get("/version"));
  await eventually("the request is there", () => requests.length === 1);
  clock.advance(timers.requestMs);
  const error = await asked;
  t.deepEqual([error.status, error.reason], [0, "TimedOut"]);
});

test("an answer that drips is given up after the same time limit", async (t) => {
  const clock = new FakeClock();
  const { client, requests } = await open(t, (_request, response) => response.write('{"a":'), clock);
  const asked = failure(t, client.get("/version"));
  await eventually("the request is there", () => requests.length === 1);
  clock.advance(timers.requestMs);
  t.is((await asked).reason, "TimedOut");
});

test("an answer that is cut is told as such", async (t) => {
  const { client } = await open(t, (_request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write('{"a":', () => response.destroy());
  });
  t.is((await failure(t, client.get("/version"))).reason, "Unreachable");
});

test("an answer that does not end is cut at the limit", async (t) => {
  const { client, limitHits } = await open(t, (_request, response) => pourInto(response));
  t.is((await failure(t, client.get("/api/v1/pods"))).reason, "TooMuch");
  t.deepEqual(limitHits, ["responseBytes"]);
});

test("so many requests at once, the others in their turn, and beyond that none", async (t) => {
  const waiting: ServerResponse[] = [];
  const { client, requests } = await open(t, (_request, response) => waiting.push(response));
  const all = Array.from({ length: limits.requestsAtOnce + limits.requestsWaiting }, () => client.get("/version"));
  t.is((await failure(t, client.get("/version"))).reason, "TooMuch");
  await eventually("the first ones", () => requests.length === limits.requestsAtOnce);
  while (requests.length < all.length || waiting.length > 0) {
    for (const response of waiting.splice(0)) response.end("{}");
    await turn();
  }
  await t.notThrowsAsync(Promise.all(all));
});

test("a server that is not there", async (t) => {
  const { client } = await open(t, (_request, response) => response.destroy());
  t.deepEqual([(await failure(t, client.get("/version"))).reason], ["Unreachable"]);
});

test("a watch reads lines that arrive in any pieces, cut in the middle of a character", async (t) => {
  const text = [eventLine("schön"), eventLine("日本"), eventLine("plain")].join("");
  const bytes = Buffer.from(text);
  const { client } = await open(t, (_request, response) => {
    const sendFrom = (at: number): void => {
      if (at >= bytes.length) response.end();
      else response.write(bytes.subarray(at, at + 7), () => setImmediate(() => sendFrom(at + 7)));
    };
    sendFrom(0);
  });
  const { events, ended } = watchAll(client);
  await ended;
  t.deepEqual(
    events.map(({ object }) => object.metadata.name),
    ["schön", "日本", "plain"],
  );
});

for (const [what, bytes] of [
  ["no JSON", "hello\n"],
  ["no event", '{"type":"ADDED"}\n'],
  ["an unknown type", '{"type":"RENAMED","object":{}}\n'],
  ["an empty line", "\n"],
  ["bytes that are no text", Buffer.from([0xff, 0xfe, 0x00, 0x0a])],
] as const) {
  test(`a watch that sends ${what} ends with an error after what was good before`, async (t) => {
    const { client } = await open(t, (_request, response) => {
      response.write(eventLine("good"));
      response.write(bytes);
      response.write(eventLine("after"));
    });
    const { events, ended } = watchAll(client);
    t.is((await failure(t, ended)).reason, "Unreadable");
    t.deepEqual(
      events.map(({ object }) => object.metadata.name),
      ["good"],
    );
  });
}

test("a watch that is cut in a line, or between two, is told from one that ends", async (t) => {
  const { client } = await open(t, (_request, response) =>
    response.write(`${eventLine("good")}{"type":`, () => response.destroy()),
  );
  const { events, ended } = watchAll(client);
  t.is((await failure(t, ended)).reason, "Unreachable");
  t.is(events.length, 1);
});

test("a watch that ends in order but in the middle of a line was cut", async (t) => {
  const { client } = await open(t, (_request, response) => response.end('{"type":"ADDED"'));
  t.is((await failure(t, watchAll(client).ended)).reason, "Unreachable");
});

test("a line that does not end is cut at the limit", async (t) => {
  const { client } = await open(t, (_request, response) => pourInto(response));
  t.is((await failure(t, watchAll(client).ended)).reason, "TooMuch");
});

test("a watch that is not opened, and one that falls silent, are given up", async (t) => {
  const clock = new FakeClock();
  const { client, requests } = await open(
    t,
    (request, response) => {
      if (request.url?.includes("opened") === true) response.write(eventLine("one"));
    },
    clock,
  );
  const never = new AbortController().signal;
  const unopened = failure(
    t,
    client.watch("/unanswered", {}, () => {}, never),
  );
  await eventually("the watch is asked for", () => requests.length === 1);
  clock.advance(timers.watchOpenMs);
  t.is((await unopened).reason, "TimedOut");
  let events = 0;
  const silent = failure(
    t,
    client.watch("/opened", {}, () => void events++, never),
  );
  await eventually("the watch is open", () => events === 1);
  clock.advance(timers.watchSilenceMs - 1);
  await turn();
  clock.advance(timers.watchSilenceMs / 10 + 1);
  t.is((await silent).reason, "TimedOut");
});

test("a watch that is refused tells the server's reason, a listener that throws ends it", async (t) => {
  const status = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
  const { client } = await open(t, (request, response) => {
    if (request.url?.includes("old") === true) response.writeHead(410).end(JSON.stringify(status));
    else response.write(eventLine("one"));
  });
  const { signal } = new AbortController();
  const refused = await failure(
    t,
    client.watch("/old", {}, () => {}, signal),
  );
  t.deepEqual([refused.status, refused.reason], [410, "Expired"]);
  const thrown = await failure(t, client.watch("/new", {}, fail, signal));
  t.regex(thrown.message, /the listener failed/);
});

function fail(): never {
  throw new Error("the listener failed");
}

/** Bytes without an end, until the other side has enough. */
function pourInto(response: ServerResponse): void {
  const chunk = Buffer.alloc(1024 * 1024, "x");
  const more = (error?: Error | null): void => {
    if ((error ?? undefined) === undefined && !response.destroyed)
      response.write(chunk, (failed) => setImmediate(more, failed));
  };
  more();
}
