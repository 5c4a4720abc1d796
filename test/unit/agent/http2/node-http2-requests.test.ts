/**
 * The same exchanges with node:http2 at the other end, as client and as server, and with another connection of ours: what
 * one sends is what the other one gets.
 */
import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  performServerHandshake,
  sensitiveHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Duplex } from "node:stream";
import test from "ava";
import fc from "fast-check";
import { eventually } from "../../../support/eventually.ts";
import {
  anAnswer,
  aRequest,
  fieldsOf,
  listOf,
  RequestProbe,
  RequestsUnderTest,
  type SeenRequest,
} from "../../../support/request-pair.ts";

const LARGE = Buffer.alloc(3_000_000, "0123456789abcdef0");

/** Our server, and a client of node's. */
function nodeClient(): { ours: RequestsUnderTest; session: ClientHttp2Session } {
  const ours = new RequestsUnderTest("server");
  const session = connect("http://shop", { createConnection: () => ours.peer });
  session.on("error", () => {});
  return { ours, session };
}

/** Our client, and a server of node's. */
function nodeServer(answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void): {
  ours: RequestsUnderTest;
  session: ServerHttp2Session;
} {
  const ours = new RequestsUnderTest("client");
  const session = performServerHandshake(ours.peer);
  session.on("error", () => {});
  session.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => {});
    answer(stream, headers);
  });
  return { ours, session };
}

/** Sends back what comes, with trailers at the end, with backpressure. */
function echo({ stream, probe }: SeenRequest): void {
  stream.sendHeaders(anAnswer(200, { "x-kind": "echo" }), false);
  probe.onChunk = (chunk) => {
    if (!stream.sendData(chunk, false)) stream.pause();
  };
  probe.onDrain = () => stream.resume();
  probe.whenEnded = (trailers) => stream.sendTrailers(trailers ?? fieldsOf({ bytes: String(probe.body.length) }));
}

async function bodyOf(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test("node's client: a large body there and back, with trailers, many at once", async (t) => {
  const { ours, session } = nodeClient();
  ours.serve = echo;
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const request = session.request({ ":method": "POST", ":path": `/${index}` });
      let trailers: IncomingHttpHeaders = {};
      request.on("trailers", (headers) => {
        trailers = headers;
      });
      const body = LARGE.subarray(0, 200_000 * (index % 4));
      request.end(body);
      const [headers] = (await once(request, "response")) as [IncomingHttpHeaders];
      t.is(headers["x-kind"], "echo");
      t.true((await bodyOf(request)).equals(body));
      t.is(trailers["bytes"], String(body.length));
    }),
  );
  t.is(ours.connection.activeStreams, 0);
  session.close();
  await eventually("closed", () => ours.end);
  t.is(ours.end?.error, undefined);
});

test("node's client waits for 100, gets 103, and sends trailers", async (t) => {
  const { ours, session } = nodeClient();
  ours.serve = ({ stream, request, probe }) => {
    t.true(request.expectsContinue);
    t.true(request.trailersWanted);
    stream.sendHeaders(anAnswer(100), false);
    stream.sendHeaders(anAnswer(103, { link: "</a>" }), false);
    probe.whenEnded = (trailers) => {
      stream.sendHeaders(anAnswer(200, { trailers: trailers === undefined ? "none" : listOf(trailers) }), true);
    };
  };
  const request = session.request(
    { ":method": "POST", ":path": "/", expect: "100-continue", te: "trailers" },
    { waitForTrailers: true },
  );
  request.on("wantTrailers", () => request.sendTrailers({ checksum: "c" }));
  const interim: unknown[] = [];
  request.on("headers", (headers: IncomingHttpHeaders) => interim.push(headers[":status"]));
  await once(request, "continue");
  request.end("body");
  const [headers] = (await once(request, "response")) as [IncomingHttpHeaders];
  t.is(headers["trailers"], "checksum=c");
  t.deepEqual(interim, [100, 103]);
  session.destroy();
});

test("node's client resets, is reset, and is refused", async (t) => {
  const { ours, session } = nodeClient();
  ours.serve = ({ stream, request }) => {
    if (request.path === "/reset") stream.reset(11);
    if (request.path === "/refused") stream.reset(7);
  };
  const canceled = session.request({ ":path": "/slow" });
  canceled.on("error", () => {});
  const { probe } = await ours.request();
  canceled.close(8);
  await probe.saw("reset 8");
  for (const [path, code] of [
    ["/reset", 11],
    ["/refused", 7],
  ] as const) {
    const request = session.request({ ":path": path });
    request.on("error", () => {});
    await new Promise((resolve) => request.once("close", resolve));
    t.is(request.rstCode, code);
  }
  session.destroy();
});

test("node's client finishes what it has when we go gracefully, and closes", async (t) => {
  const { ours, session } = nodeClient();
  const goaways: number[] = [];
  session.on("goaway", (code, lastId) => goaways.push(code, lastId));
  const request = session.request({ ":path": "/" });
  const body = bodyOf(request);
  const { stream } = await ours.request();
  ours.connection.goaway(true);
  await eventually("two GOAWAYs", () => goaways.length === 4);
  t.deepEqual(goaways, [0, 2 ** 31 - 1, 0, 1]);
  stream.sendHeaders(anAnswer(), false);
  stream.sendData(Buffer.from("late"), true);
  t.is((await body).toString(), "late");
  await eventually("closed", () => ours.end);
});

test("node's server: a large body there and back, with trailers, many at once", async (t) => {
  const { ours, session } = nodeServer((stream, headers) => {
    stream.respond({ ":status": 200, path: headers[":path"] }, { waitForTrailers: true });
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.on("wantTrailers", () => stream.sendTrailers({ bytes: String(bytes) }));
    stream.pipe(stream);
  });
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const probe = new RequestProbe();
      const body = LARGE.subarray(0, 200_000 * (index % 4));
      const stream = ours.connection.open(
        aRequest({ method: "POST", path: `/${index}`, length: body.length }),
        false,
        probe,
      );
      for (let at = 0; at < body.length; at += 50_001) stream.sendData(body.subarray(at, at + 50_001), false);
      stream.sendData(Buffer.alloc(0), true);
      await probe.saw(`end bytes=${body.length}`);
      t.regex(probe.events[0] ?? "", new RegExp(`200 path=/${index} date=`));
      t.true(probe.body.equals(body));
    }),
  );
  t.is(ours.connection.activeStreams, 0);
  session.close();
  await eventually("draining", () => ours.drainings === 1);
  await eventually("closed", () => ours.end);
});

test("node's server continues, informs, answers HEAD, and resets", async (t) => {
  const { ours, session } = nodeServer((stream, headers) => {
    if (headers[":path"] === "/reset") stream.close(11);
    else if (headers[":method"] === "HEAD") stream.respond({ ":status": 200, "content-length": 7 });
    else {
      stream.additionalHeaders({ ":status": 103, link: "</a>" });
      stream.respond({ ":status": 201 });
      stream.end("done");
    }
  });
  const [informed, head, reset] = [new RequestProbe(), new RequestProbe(), new RequestProbe()];
  ours.connection.open(aRequest(), true, informed);
  ours.connection.open(aRequest({ method: "HEAD" }), true, head);
  ours.connection.open(aRequest({ path: "/reset" }), true, reset);
  await Promise.all([informed.saw("end"), head.saw("end"), reset.saw("reset 11")]);
  t.is(informed.events[0], "103 link=</a>");
  t.is(informed.body.toString(), "done");
  t.regex(head.events[0] ?? "", /length 7/);
  t.false(reset.lastReset?.wasRefused);
  session.destroy();
});

test("a reader that stops holds node's sender up at a window, in both roles", async (t) => {
  const { ours, session } = nodeServer((stream) => {
    stream.respond({ ":status": 200 });
    stream.end(LARGE);
  });
  const [slow, other] = [new RequestProbe(), new RequestProbe()];
  const stream = ours.connection.open(aRequest(), true, slow);
  stream.pause();
  ours.connection.open(aRequest(), true, other);
  // The other one is not held up.
  await other.saw("end");
  t.true(stream.unreadBytes > 0 && slow.body.length === 0);
  t.true(stream.unreadBytes <= ours.connection.bounds.streamWindowBytes);
  stream.resume();
  await slow.saw("end");
  t.true(slow.body.equals(LARGE));
  session.destroy();
});

test("what must not be remembered stays so on its way", async (t) => {
  const secret = { "x-token": "t", [sensitiveHeaders]: ["x-token"] };
  const { ours, session } = nodeClient();
  session.request({ ":path": "/", "x-open": "o", ...secret });
  const { request } = await ours.request();
  t.deepEqual([...(request.fields.secrets ?? [])], ["x-token"]);
  let seen: unknown;
  const server = nodeServer((_stream, headers) => {
    seen = headers[sensitiveHeaders as unknown as string];
  });
  server.ours.connection.open({ ...request, fields: request.fields.copy() }, true, new RequestProbe());
  await eventually("the request", () => seen);
  t.deepEqual(seen, ["x-token"] as unknown);
  session.destroy();
  server.session.destroy();
});

// Any message, with any headers, against both.

const name = fc
  .stringMatching(/^[a-z][a-z0-9-]{0,15}$/)
  .filter((text) => !["te", "host", "expect", "connection", "upgrade", "cookie", "date"].includes(text));
// Node joins and parses some that come more than once; each comes once here.
const headers = fc.dictionary(
  name.map((text) => `x-${text}`),
  fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/),
  { maxKeys: 8 },
);

test("node reads what we write, and we read what node writes, whatever the fields", async (t) => {
  await fc.assert(
    fc.asyncProperty(headers, headers, headers, async (request, response, trailers) => {
      const { ours, session } = nodeServer((stream, seen) => {
        stream.respond({ ":status": 200, ...response, seen: JSON.stringify(plain(seen)) }, {
          waitForTrailers: true,
          sendDate: false,
        } as object);
        stream.on("wantTrailers", () => stream.sendTrailers(trailers));
        stream.end();
      });
      const probe = new RequestProbe();
      let seen = "";
      probe.onHeaders = ({ fields }) => {
        seen = fields.get("seen") ?? "";
        fields.delete("seen");
        probe.events.push(listOf(fields));
      };
      ours.connection.open(aRequest({ path: "/p?q", fields: fieldsOf(request) }), true, probe);
      await eventually("the end", () => probe.events.length >= 2);
      t.deepEqual(JSON.parse(seen), {
        ":method": "GET",
        ":scheme": "http",
        ":path": "/p?q",
        ":authority": "shop",
        ...request,
      });
      t.is(probe.events[0], listOf(fieldsOf(response)));
      const expected = listOf(fieldsOf(trailers));
      t.is(probe.events[1], expected === "" ? "end" : `end ${expected}`);
      session.destroy();
    }),
    { numRuns: 40 },
  );
});

function plain(seen: IncomingHttpHeaders): object {
  return Object.fromEntries(Object.entries(seen));
}
