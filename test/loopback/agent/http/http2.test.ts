/** HTTP/2 through the HTTP data plane on loopback, with Node's own client and server at the ends. */
import { constants } from "node:http2";
import test, { type ExecutionContext } from "ava";
import { httpLimits } from "../../../../agent/http/limits.ts";
import { eventually } from "../../../support/eventually.ts";
import { h2Call } from "../../../support/h2-call.ts";
import { h2Client } from "../../../support/h2-client.ts";
import { type H2Answer, H2Origin } from "../../../support/h2-origin.ts";
import { httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { forward, HttpWorld, type HttpWorldOptions } from "../../../support/http-world.ts";

const GET = { ":path": "/" };
const POST = { ":method": "POST", ":path": "/" };
const OK: H2Answer = (stream) => {
  stream.respond({ ":status": 200 });
  stream.end("ok");
};

async function worlds(t: ExecutionContext, answer: H2Answer, options: HttpWorldOptions = {}) {
  const origin = await H2Origin.create(t, answer);
  const world = await HttpWorld.create(t, { origins: [origin.port], ...options });
  const session = await h2Client(t, world);
  return { origin, world, session };
}

test("a request and its answer pass, with fields, bodies and trailers", async (t) => {
  const { world, session } = await worlds(t, (stream, headers) => {
    stream.respond({ ":status": 201, "x-was": `${headers[":method"]} ${headers[":path"]}` }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "42" }));
    stream.pipe(stream);
  });
  const answer = await h2Call(session, { ...POST, ":path": "/echo?x=1" }, "hello");
  t.is(answer.status, 201);
  t.is(answer.headers["x-was"], "POST /echo?x=1");
  t.is(answer.body.toString(), "hello");
  t.is(answer.trailers["x-sum"], "42");
  t.deepEqual(world.requests(), { "2xx answered": 1 });
  session.close();
  const line = await world.logged("connection");
  t.like(line, { requests: 1, reason: "closed" });
  await world.settle();
});

test("requests of one connection are decided one by one", async (t) => {
  const [one, two] = [await H2Origin.create(t, OK), await H2Origin.create(t, OK)];
  const world = await HttpWorld.create(t, { origins: [one.port, two.port] });
  const session = await h2Client(t, world);
  await Promise.all(Array.from({ length: 20 }, () => h2Call(session, GET)));
  t.is(one.streams, 10);
  t.is(two.streams, 10);
  t.is(one.sessions.length, 1, "requests to one endpoint share a connection");
});

test("a connection that is full has a second one beside it", async (t) => {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const answer: H2Answer = (stream) => {
    void released.then(() => OK(stream, {}));
  };
  const origin = await H2Origin.create(t, answer, { maxConcurrentStreams: 2 });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const session = await h2Client(t, world);
  const first = h2Call(session, GET);
  await eventually("the first stream", () => origin.streams === 1);
  const others = Array.from({ length: 4 }, () => h2Call(session, GET));
  await eventually("all streams", () => origin.streams === 5);
  t.is(origin.sessions.length, 3);
  release();
  const answers = await Promise.all([first, ...others]);
  t.true(answers.every(({ status }) => status === 200));
  session.close();
  await world.settle();
});

test("a client that cancels has the server's stream cancelled", async (t) => {
  let code: number | undefined;
  const { world, session } = await worlds(t, (stream) => {
    stream.respond({ ":status": 200 });
    stream.write("a part");
    stream.on("close", () => (code = stream.rstCode));
  });
  const stream = session.request(GET);
  stream.on("error", () => {});
  stream.once("data", () => stream.close(constants.NGHTTP2_CANCEL));
  await eventually("the server's stream is cancelled", () => code === constants.NGHTTP2_CANCEL);
  t.deepEqual(world.requests(), { "2xx client-gone": 1 });
  session.close();
  await world.settle();
});

test("a server that resets in the middle of its answer resets the client's stream, with its code", async (t) => {
  // SETTINGS and a PING's worth of nothing; then for each HEADERS: 200, a part, RST_STREAM(ENHANCE_YOUR_CALM).
  const settings = Buffer.from("000000040000000000", "hex");
  const answer = (id: string): Buffer =>
    Buffer.from(`00000101040000${id}8800000200000000${id}6f6b00000403000000${id}0000000b`, "hex");
  const origin = await rawOrigin(t, (socket) => {
    let requests = 0;
    socket.write(settings);
    socket.on("data", (chunk: Buffer) => {
      if (!chunk.includes("x-request-id")) return;
      requests += 1;
      socket.write(answer((2 * requests - 1).toString(16).padStart(4, "0")));
    });
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const session = await h2Client(t, world);
  for (let count = 0; count < 2; count += 1) {
    const { status, code } = await h2Call(session, GET);
    t.like({ status, code }, { status: 200, code: 11 });
  }
  t.deepEqual(world.requests(), { "2xx answer-cut-short": 2 });
  t.is(origin.accepted, 1, "the connection goes on");
});

test("a server that resets before its answer is a 502", async (t) => {
  const { session } = await worlds(t, (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  const answer = await h2Call(session, POST, "body");
  t.is(answer.status, 502);
  t.is(answer.headers["hawser-reason"], "reset");
});

test("a stream that is refused goes elsewhere, whatever its method", async (t) => {
  const busy = await H2Origin.create(t, (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
  const idle = await H2Origin.create(t, OK);
  const world = await HttpWorld.create(t, { origins: [busy.port, idle.port] });
  const session = await h2Client(t, world);
  for (let count = 0; count < 4; count += 1) {
    const answer = await h2Call(session, POST, "body");
    t.is(answer.status, 200);
  }
  t.is(idle.streams, 4);
});

test("a server that goes away in order loses no request", async (t) => {
  const { origin, session } = await worlds(t, OK);
  for (let round = 0; round < 5; round += 1) {
    const calls = Array.from({ length: 20 }, () => h2Call(session, POST, "body"));
    for (const upstream of origin.sessions) upstream.close();
    const answers = await Promise.all(calls);
    t.true(answers.every(({ status }) => status === 200));
  }
  t.true(origin.sessions.length > 1);
});

test("a connection that is lost under requests: those that may be repeated are", async (t) => {
  const { origin, session } = await worlds(t, (stream, headers) => {
    if (headers[":path"] === "/die") stream.session?.destroy();
    else OK(stream, headers);
  });
  t.is((await h2Call(session, GET)).status, 200);
  const answer = await h2Call(session, { ":path": "/die" });
  t.is(answer.status, 502, "its second try died as well");
  t.is(origin.streams, 3);
  t.is((await h2Call(session, GET)).status, 200);
});

test("requests that lose a connection together share the next one", async (t) => {
  let lost = false;
  const { origin, session } = await worlds(t, (stream, headers) => {
    if (lost || headers[":path"] === "/") OK(stream, headers);
    else if (origin.streams === 21) {
      lost = true;
      for (const upstream of origin.sessions) upstream.destroy();
    }
  });
  t.is((await h2Call(session, GET)).status, 200);
  const answers = await Promise.all(Array.from({ length: 20 }, () => h2Call(session, { ":path": "/wait" })));
  t.true(answers.every(({ status }) => status === 200));
  t.is(origin.sessions.length, 2);
});

test("a drain says GOAWAY, and what is under way is answered", async (t) => {
  let waiting: (() => void) | undefined;
  const { world, session } = await worlds(t, (stream, headers) => {
    waiting = () => OK(stream, headers);
  });
  const isGone = new Promise((resolve) => session.once("goaway", resolve));
  const call = h2Call(session, GET);
  const answer = await eventually("the request", () => waiting);
  world.connections.drainAll();
  await isGone;
  answer();
  t.is((await call).status, 200);
  await eventually("the connection ends", () => world.connections.size === 0);
});

test("a client that does not read holds the server back, not the agent's memory", async (t) => {
  let sent = 0;
  const { world, session } = await worlds(t, (stream) => {
    stream.respond({ ":status": 200 });
    const chunk = Buffer.alloc(64 * 1024);
    const more = (): void => {
      while (sent < 256 * 1024 * 1024) {
        sent += chunk.length;
        if (!stream.write(chunk)) {
          stream.once("drain", more);
          return;
        }
      }
    };
    more();
  });
  const stream = session.request(GET);
  stream.on("error", () => {});
  stream.on("response", () => stream.pause());
  let before = -1;
  await eventually("the server waits", async () => {
    const isSame = before === sent && sent > 0;
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return isSame;
  });
  t.true(sent < 8 * 1024 * 1024, `${sent} bytes sent`);
  const held = await eventually("a sweep", () => world.connections.heldBytes || undefined);
  t.true(held < 4 * 1024 * 1024, `${held} bytes held`);
  const others = await Promise.all(
    Array.from({ length: 3 }, () => h2Call(session, { ":method": "HEAD", ":path": "/" })),
  );
  t.true(
    others.every(({ status }) => status === 200),
    "other streams of the connection go on",
  );
  stream.close(constants.NGHTTP2_CANCEL);
});

test("a server that does not read holds the client back", async (t) => {
  const { session } = await worlds(t, (stream) => {
    stream.respond({ ":status": 200 });
    stream.pause();
  });
  const stream = session.request(POST);
  stream.on("error", () => {});
  const chunk = Buffer.alloc(64 * 1024);
  let sent = 0;
  let waits = false;
  while (!waits && sent < 64 * 1024 * 1024) {
    sent += chunk.length;
    if (stream.write(chunk)) continue;
    waits = !(await Promise.race([
      new Promise((resolve) => stream.once("drain", () => resolve(true))),
      new Promise((resolve) => setTimeout(() => resolve(false), 300)),
    ]));
  }
  t.true(waits);
  t.true(sent < 8 * 1024 * 1024, `${sent} bytes sent`);
});

test("an answer of ours before the request is complete asks for no more of it", async (t) => {
  const { session } = await worlds(t, OK, {
    decide: (facts) => ({
      kind: "respond",
      code: "no-match",
      status: 404,
      headers: [],
      responseHeaders: [],
      reason: `nothing for ${facts.target}`,
    }),
  });
  const stream = session.request(POST);
  stream.on("error", () => {});
  stream.write("some of the body");
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => stream.once("close", resolve));
  t.is(stream.rstCode, constants.NGHTTP2_NO_ERROR);
  t.is(Buffer.concat(chunks).toString(), "no-match: nothing for /\n");
});

test("an endpoint that speaks no HTTP/2 is a 502 that says so", async (t) => {
  const origin = await httpOrigin(t);
  const { session } = await worlds(t, OK, { origins: [origin.port] });
  const answer = await h2Call(session, GET);
  t.is(answer.status, 502);
  t.regex(answer.body.toString(), /^bad-response: .*it answers in HTTP\/1\.1/);
});

test("a request may take so long and no longer; in the middle of an answer its stream is reset", async (t) => {
  const { session } = await worlds(
    t,
    (stream, headers) => {
      if (headers[":path"] !== "/begin") return;
      stream.respond({ ":status": 200 });
      stream.write("a part");
    },
    { decide: (facts) => forward(facts, { rule: { timeouts: { requestMs: 2_000 } } }) },
  );
  const [none, part] = await Promise.all([h2Call(session, GET), h2Call(session, { ":path": "/begin" })]);
  t.is(none.status, 504);
  t.is(part.code, constants.NGHTTP2_INTERNAL_ERROR);
  t.is(part.body.toString(), "a part");
});

test("resets without end cost the client its connection", async (t) => {
  const { world, session } = await worlds(t, () => {});
  const isGone = new Promise<number>((resolve) => session.once("goaway", resolve));
  for (let count = 0; count < 1_500 && !session.destroyed; count += 1) {
    const stream = session.request(GET);
    stream.on("error", () => {});
    stream.close(constants.NGHTTP2_CANCEL);
    if (count % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
  t.is(await isGone, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  await eventually("the connection ends", () => world.connections.size === 0);
  const line = await world.logged("connection");
  t.is(line["reason"], "refused");
});

test("a connection to an endpoint on which many requests were reset is replaced, and what is under way goes on", async (t) => {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const { origin, session, world } = await worlds(t, (stream, headers) => {
    if (headers[":path"] === "/waits") void released.then(() => OK(stream, headers));
    else if (headers[":path"] === "/") OK(stream, headers);
  });
  const underWay = h2Call(session, { ":path": "/waits" });
  const atOnce = 50;
  for (let begun = 0; begun < httpLimits.resetsPerUpstream; begun += atOnce) {
    const streams = Array.from({ length: atOnce }, () => session.request({ ":path": "/never" }));
    await eventually("the streams at the server", () => origin.streams === begun + atOnce + 1);
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    await eventually("them to be reset", () => world.metrics.gauges.requestsOpen === 1);
  }
  t.is(origin.sessions.length, 1);
  t.is((await h2Call(session, GET)).status, 200);
  t.is(origin.sessions.length, 2);
  release();
  t.is((await underWay).status, 200);
  await eventually("the first connection to end", () => origin.sessions[0]?.closed);
  session.close();
  await world.settle();
});

test("after calls that end in every way nothing is left", async (t) => {
  const answer: H2Answer = (stream, headers) => {
    switch (headers[":path"]) {
      case "/silent":
        return;
      case "/refused":
        stream.close(constants.NGHTTP2_REFUSED_STREAM);
        return;
      case "/broken":
        stream.respond({ ":status": 200 });
        stream.write("a part", () => stream.destroy(new Error("as asked")));
        return;
      case "/lost":
        stream.session?.destroy();
        return;
      case "/leaving":
        stream.session?.close();
        OK(stream, headers);
        return;
      default:
        OK(stream, headers);
    }
  };
  const { world, session } = await worlds(t, answer, {
    decide: (facts) => forward(facts, { rule: { timeouts: { requestMs: 200 } } }),
  });
  const paths = ["/", "/silent", "/refused", "/broken", "/lost", "/leaving"];
  const calls: Promise<unknown>[] = [];
  for (let count = 0; count < 300; count += 1) {
    const head = { ":method": count % 2 === 0 ? "GET" : "POST", ":path": paths[count % paths.length] };
    if (count % 5 === 0) {
      const stream = session.request(head, { endStream: false });
      stream.on("error", () => {});
      stream.resume();
      calls.push(new Promise((resolve) => stream.once("close", resolve)));
      setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), count % 17);
    } else calls.push(h2Call(session, head, count % 2 === 0 ? undefined : "body"));
    if (count % 20 === 19) await calls.at(-2);
  }
  await Promise.all(calls);
  t.is(
    Object.values(world.requests()).reduce((sum, count) => sum + count, 0),
    300,
  );
  session.close();
  await world.settle();
});
