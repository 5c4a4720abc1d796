/** Requests of real clients to real servers through the HTTP data plane. */
import { Agent, request as httpRequest } from "node:http";
import test from "ava";
import { eventually } from "../../../support/eventually.ts";
import { answering, httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { forward, HttpWorld } from "../../../support/http-world.ts";
import { PodProbe } from "../../../support/socket-pair.ts";

interface Echoed {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly trailers: string[];
  readonly body: string;
}

test("a request reaches the server as it was, and its answer comes back", async (t) => {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const response = await fetch(`${world.url}/items?id=3`, {
    method: "POST",
    headers: { "x-user": "ann", "x-request-id": "r-1", traceparent: "00-ab-cd-01", "x-forwarded-for": "10.9.9.9" },
    body: "hello",
  });
  t.is(response.status, 200);
  t.is(response.headers.get("server"), null);
  t.is(response.headers.get("hawser-reason"), null);
  const seen = (await response.json()) as Echoed;
  t.like(seen, { method: "POST", url: "/items?id=3", body: "hello" });
  t.like(seen.headers, {
    host: `127.0.0.1:${world.port}`,
    "x-user": "ann",
    "x-request-id": "r-1",
    traceparent: "00-ab-cd-01",
    "x-forwarded-for": "10.9.9.9",
    "content-length": "5",
  });
  t.is(seen.headers["connection"], undefined);
  t.is(seen.headers["via"], undefined);
  t.deepEqual(world.requests(), { "2xx answered": 1 });
  t.like(await world.logged("request"), {
    method: "POST",
    path: "/items",
    status: 200,
    reason: "answered",
    route: "shop/catalog 0",
    bytesSent: 5,
  });
});

test("a request without an id gets one", async (t) => {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const seen = (await (await fetch(world.url)).json()) as Echoed;
  t.regex(seen.headers["x-request-id"] ?? "", /^[0-9a-f-]{36}$/);
  t.is(seen.headers["traceparent"], undefined);
});

test("requests over one connection share one to the server, and come back in order when pipelined", async (t) => {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  const count = 50;
  const one = (index: number) => `POST /${index} HTTP/1.1\r\nHost: catalog\r\nContent-Length: 3\r\n\r\nabc`;
  client.write(Array.from({ length: count }, (_, index) => one(index)).join(""));
  await eventually("all are answered", () => probe.text.split('"url"').length - 1 === count);
  t.deepEqual(
    [...probe.text.matchAll(/"url":"\/(\d+)"/g)].map(([, index]) => Number(index)),
    Array.from({ length: count }, (_, index) => index),
  );
  t.is(origin.accepted, 1);
  client.end();
  await world.settle();
});

test("chunked bodies and trailers pass both ways", async (t) => {
  const origin = await httpOrigin(t, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.writeHead(200, { trailer: "x-sum" });
      response.write(Buffer.concat(chunks));
      response.addTrailers({ "x-sum": request.trailers["x-in"] ?? "none" });
      response.end();
    });
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(
    "POST / HTTP/1.1\r\nHost: catalog\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-In: 7\r\n\r\n",
  );
  await eventually("it is answered", () => probe.text.endsWith("\r\n\r\n") && probe.text.includes("x-sum: 7"));
  t.regex(probe.text, /\r\n5\r\nabcde\r\n0\r\nx-sum: 7\r\n\r\n$/);
  client.end();
  await world.settle();
});

for (const [name, text, expected] of [
  ["an HTTP/1.0 server, read until it closes", "HTTP/1.0 200 OK\r\n\r\nold body", "old body"],
  ["an HTTP/1.1 server that closes", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nold body", "old body"],
] as const) {
  test(`${name}: the client's connection goes on`, async (t) => {
    const origin = await rawOrigin(t, (socket) => {
      socket.once("data", () => socket.end(text));
    });
    const world = await HttpWorld.create(t, { origins: [origin.port] });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let count = 0; count < 3; count += 1) t.is(await get(world.url, agent), expected);
    t.is(world.connections.size, 1);
    t.is(origin.accepted, 3);
    agent.destroy();
    await world.settle();
  });
}

test("an HTTP/1.0 client gets no chunks and a closed connection, unless it asks to stay", async (t) => {
  const origin = await rawOrigin(
    t,
    answering((count) =>
      count === 0
        ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
        : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: 1\r\n\r\n",
    ),
  );
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  await eventually("the first", () => probe.text.endsWith("hi"));
  t.true(probe.text.includes("connection: keep-alive\r\n"));
  client.write("GET /2 HTTP/1.0\r\n\r\n");
  await probe.saw("end");
  t.regex(probe.text, /connection: close\r\n\r\nabcde$/);
  t.false(probe.text.toLowerCase().includes("transfer-encoding"));
  client.end();
  await world.settle();
});

test("an absolute target goes on as a path, and its host counts", async (t) => {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write("GET http://other:81/x?y HTTP/1.1\r\nHost: catalog\r\nConnection: close\r\n\r\n");
  await probe.saw("end");
  t.true(probe.text.includes('"url":"/x?y"'));
  t.true(probe.text.includes('"host":"other:81"'));
  client.end();
  await world.settle();
});

test("HEAD has the length and no body, and the next request is understood", async (t) => {
  const origin = await httpOrigin(t, (_request, response) => response.end("twelve bytes"));
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write("HEAD / HTTP/1.1\r\nHost: c\r\n\r\nGET / HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n");
  await probe.saw("end");
  t.is(probe.text.split("twelve bytes").length, 2);
  t.is(origin.accepted, 1);
  client.end();
  await world.settle();
});

test("what a route says about headers, path and host is done", async (t) => {
  const origin = await httpOrigin(t, (request, response) => {
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    response.setHeader("x-secret", "1");
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    decide: (facts) =>
      forward(facts, {
        authority: "reviews.shop",
        target: "/v2/items",
        requestHeaders: [{ set: [["x-set", "1"]], add: [["x-user", "bob"]], remove: ["x-drop"] }],
        responseHeaders: [{ set: [["x-answer", "2"]], add: [["set-cookie", "c=3"]], remove: ["x-secret"] }],
      }),
  });
  const response = await fetch(`${world.url}/items`, { headers: { "x-user": "ann", "x-drop": "1", "x-set": "0" } });
  const seen = (await response.json()) as Echoed;
  t.is(seen.url, "/v2/items");
  t.like(seen.headers, { host: "reviews.shop", "x-set": "1", "x-user": "ann,bob", "x-drop": undefined });
  t.is(response.headers.get("x-answer"), "2");
  t.is(response.headers.get("x-secret"), null);
  t.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2", "c=3"]);
});

test("a filter cannot touch framing, but may name the host", async (t) => {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    decide: (facts) =>
      forward(facts, {
        requestHeaders: [
          {
            set: [
              ["content-length", "0"],
              ["transfer-encoding", "chunked"],
              ["connection", "close"],
              ["host", "named"],
            ],
          },
        ],
      }),
  });
  const seen = (await (await fetch(world.url, { method: "POST", body: "hello" })).json()) as Echoed;
  t.like(seen, { body: "hello" });
  t.like(seen.headers, { host: "named", "content-length": "5", "transfer-encoding": undefined });
});

test("a redirect is answered without a server, and the connection goes on", async (t) => {
  const world = await HttpWorld.create(t, {
    decide: () => ({
      kind: "respond",
      code: "redirect",
      status: 302,
      headers: [["location", "http://other/x"]],
      responseHeaders: [{ set: [["x-answer", "2"]] }],
      reason: "redirected",
    }),
  });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(
    "GET / HTTP/1.1\r\nHost: c\r\n\r\nPOST / HTTP/1.1\r\nHost: c\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\nHost: c\r\n\r\n",
  );
  await eventually("all three", () => probe.text.split("HTTP/1.1 302 Found").length === 4);
  t.regex(
    probe.text,
    /location: http:\/\/other\/x\r\nx-answer: 2\r\nserver: hawser\r\ndate: [^\r]+\r\ncontent-length: 0\r\n\r\n/,
  );
  client.end();
  await world.settle();
  t.deepEqual(world.requests(), { "3xx redirect": 3 });
});

for (const [code, status] of [
  ["no-match", 404],
  ["invalid-backend", 500],
  ["no-endpoints", 503],
] as const) {
  test(`${status} says ${code}`, async (t) => {
    const world = await HttpWorld.create(t, {
      decide: () => ({ kind: "respond", code, status, headers: [], responseHeaders: [], reason: "so it is" }),
    });
    const response = await fetch(world.url);
    t.is(response.status, status);
    t.is(response.headers.get("hawser-reason"), code);
    t.is(await response.text(), `${code}: so it is\n`);
  });
}

test("a service without endpoints: 503; one that does not exist: 500", async (t) => {
  const world = await HttpWorld.create(t, {
    decide: (facts) =>
      forward(facts, facts.target === "/" ? {} : { backend: { service: "shop/gone", port: 80, weight: 1 } }),
  });
  t.is((await fetch(world.url)).headers.get("hawser-reason"), "no-endpoints");
  const unknown = await fetch(`${world.url}/gone`);
  t.is(unknown.status, 500);
  t.is(unknown.headers.get("hawser-reason"), "unknown-service");
});

test("a request that is no HTTP is refused with its reason, and the connection closes", async (t) => {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(
    "GET / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n",
  );
  await probe.saw("end");
  t.regex(probe.text, /^HTTP\/1\.1 400 Bad Request\r\n/);
  t.true(probe.text.includes("hawser-reason: ambiguous-length\r\n"));
  t.true(probe.text.includes("connection: close\r\n"));
  client.end();
  await world.settle();
  t.is(origin.accepted, 0);
  t.like(await world.logged("connection"), { reason: "refused" });
});

test("CONNECT is not supported", async (t) => {
  const world = await HttpWorld.create(t);
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write("CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n");
  await eventually("it is answered", () => probe.text.includes("hawser-reason: connect-not-supported"));
  t.regex(probe.text, /^HTTP\/1\.1 501 /);
  client.end();
  await world.settle();
});

async function get(url: string, agent: Agent): Promise<string> {
  return await new Promise((resolve, reject) => {
    httpRequest(url, { agent }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve(text));
      response.on("error", reject);
    })
      .on("error", reject)
      .end();
  });
}
