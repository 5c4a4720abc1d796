/** One version of HTTP in, the other one out: what must be translated, with Node's own clients and servers at the ends. */
import type { IncomingHttpHeaders } from "node:http2";
import { request as h1Request } from "node:http";
import test from "ava";
import { h2Call } from "../../../support/h2-call.ts";
import { h2Client } from "../../../support/h2-client.ts";
import { type H2Answer, H2Origin } from "../../../support/h2-origin.ts";
import { answering, httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { HttpWorld } from "../../../support/http-world.ts";

const H1 = { appProtocol: "http" };
const H2 = { appProtocol: "kubernetes.io/h2c" };

interface H1Result {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

async function h1Call(url: string, method = "GET", headers: Record<string, string> = {}, body = ""): Promise<H1Result> {
  return await new Promise((resolve, reject) => {
    const call = h1Request(url, { method, headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => {
        const { statusCode: status = 0, headers: head, trailers } = response;
        resolve({ status, headers: head, trailers, body: text });
      });
    });
    call.on("error", reject);
    call.end(body);
  });
}

test("HTTP/2 in, HTTP/1.1 out: the head", async (t) => {
  const origin = await httpOrigin(t, (request, response) => {
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    response.end(JSON.stringify({ method: request.method, url: request.url, raw: request.rawHeaders }));
  });
  const world = await HttpWorld.create(t, { origins: [origin.port], ...H1 });
  const session = await h2Client(t, world);
  const head = { ":path": "/a?b=c", ":authority": "shop.example:80", cookie: ["one=1", "two=2"], te: "trailers" };
  const answer = await h2Call(session, head);
  const seen = JSON.parse(answer.body.toString()) as { method: string; url: string; raw: string[] };
  t.is(seen.method, "GET");
  t.is(seen.url, "/a?b=c");
  const fields = new Map(seen.raw.flatMap((name, at) => (at % 2 === 0 ? [[name, seen.raw[at + 1]] as const] : [])));
  t.is(fields.get("host"), "shop.example:80");
  t.is(fields.get("cookie"), "one=1; two=2");
  t.is(fields.get("te"), "trailers");
  t.is(fields.get("transfer-encoding"), undefined);
  t.deepEqual(answer.headers["set-cookie"], ["a=1", "b=2"]);
  t.is(answer.headers["connection"], undefined);
  t.is(answer.headers["keep-alive"], undefined);
  session.close();
  await world.settle();
});

test("HTTP/2 in, HTTP/1.1 out: bodies with and without a length, trailers, HEAD, 204, 103", async (t) => {
  const origin = await httpOrigin(t, (request, response) => {
    if (request.url === "/none") response.writeHead(204).end();
    else if (request.url === "/hints") {
      response.writeEarlyHints({ link: "</a.css>; rel=preload" });
      response.end("after hints");
    } else if (request.method === "HEAD") response.setHeader("content-length", 12).end();
    else {
      response.writeHead(200, { trailer: "x-sum", "x-framing": request.headers["transfer-encoding"] ?? "length" });
      request.on("data", (chunk) => response.write(chunk));
      request.on("end", () => {
        response.addTrailers({ "x-sum": request.trailers["x-mine"] ?? "none" });
        response.end();
      });
    }
  });
  const world = await HttpWorld.create(t, { origins: [origin.port], ...H1 });
  const session = await h2Client(t, world);
  const post = { ":method": "POST", ":path": "/" };
  t.like(await h2Call(session, { ...post, "content-length": 4 }, "body"), { status: 200 });
  const known = await h2Call(session, { ...post, "content-length": 4 }, "body");
  t.is(known.headers["x-framing"], "length");
  t.is(known.body.toString(), "body");
  const unknown = await h2Call(session, post, "body");
  t.is(unknown.headers["x-framing"], "chunked");
  t.is(unknown.trailers["x-sum"], "none");
  const withTrailers = session.request(post, { waitForTrailers: true });
  withTrailers.on("wantTrailers", () => withTrailers.sendTrailers({ "x-mine": "7" }));
  withTrailers.end("body");
  const trailers = await new Promise<IncomingHttpHeaders>((resolve) => {
    withTrailers.on("trailers", resolve);
    withTrailers.resume();
  });
  t.is(trailers["x-sum"], "7");
  const head = await h2Call(session, { ":method": "HEAD", ":path": "/" });
  t.is(head.headers["content-length"], "12");
  t.is((await h2Call(session, { ":path": "/none" })).status, 204);
  const hints = await h2Call(session, { ":path": "/hints" });
  t.deepEqual(hints.interim, [103]);
  t.is(hints.body.toString(), "after hints");
});

test("HTTP/2 in, HTTP/1.1 out: an answer that breaks off resets the stream", async (t) => {
  const origin = await rawOrigin(t, (socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na part"));
  });
  const world = await HttpWorld.create(t, { origins: [origin.port], ...H1 });
  const session = await h2Client(t, world);
  const answer = await h2Call(session, { ":path": "/" });
  t.is(answer.code, 2);
  t.deepEqual(world.requests(), { "2xx answer-cut-short": 1 });
});

test("HTTP/1.1 in, HTTP/2 out: heads, bodies, trailers, HEAD, 204", async (t) => {
  const seen: IncomingHttpHeaders[] = [];
  const answer: H2Answer = (stream, headers) => {
    seen.push(headers);
    if (headers[":path"] === "/none") stream.respond({ ":status": 204 }, { endStream: true });
    else if (headers[":method"] === "HEAD") stream.respond({ "content-length": 5 }, { endStream: true });
    else {
      stream.respond({ ":status": 200, "set-cookie": ["a=1", "b=2"] }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "42" }));
      stream.pipe(stream);
    }
  };
  const origin = await H2Origin.create(t, answer);
  const world = await HttpWorld.create(t, { origins: [origin.port], ...H2 });
  const posted = await h1Call(`${world.url}/a?b=c`, "POST", { host: "shop.example", "X-Upper": "Case" }, "hello");
  t.is(posted.status, 200);
  t.is(posted.body, "hello");
  t.is(posted.trailers["x-sum"], "42");
  t.deepEqual(posted.headers["set-cookie"], ["a=1", "b=2"]);
  t.like(seen[0], {
    ":method": "POST",
    ":path": "/a?b=c",
    ":authority": "shop.example",
    ":scheme": "http",
    "x-upper": "Case",
  });
  t.is(seen[0]?.["connection"], undefined);
  const head = await h1Call(world.url, "HEAD");
  t.is(head.headers["content-length"], "5");
  t.like(await h1Call(`${world.url}/none`), { status: 204, body: "" });
  t.is(origin.sessions.length, 1, "requests of several connections of one pod share one");
});

test("HTTP/1.1 in, HTTP/2 out: a WebSocket is not offered, because there is no way through", async (t) => {
  const seen: IncomingHttpHeaders[] = [];
  const origin = await H2Origin.create(t, (stream, headers) => {
    seen.push(headers);
    stream.respond({ ":status": 426 }, { endStream: true });
  });
  const world = await HttpWorld.create(t, { origins: [origin.port], ...H2 });
  const answer = await h1Call(world.url, "GET", { connection: "upgrade", upgrade: "websocket" });
  t.is(answer.status, 426);
  t.is(seen[0]?.["upgrade"], undefined);
});

test("HTTP/2 in, HTTP/1.1 out: a server that has nothing but interim answers is broken", async (t) => {
  const hint = `HTTP/1.1 103 Early Hints\r\nLink: </${"x".repeat(1_000)}>\r\n\r\n`;
  const origin = await rawOrigin(t, answering(`${hint.repeat(100)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`));
  const world = await HttpWorld.create(t, { origins: [origin.port], appProtocol: "http" });
  const session = await h2Client(t, world);
  const answer = await h2Call(session, { ":path": "/" });
  t.deepEqual([answer.status, answer.headers["hawser-reason"]], [502, "bad-response"]);
  t.is(world.counters()["limitHits interimBytes"], 1);
  session.close();
  await world.settle();
});
