/** WebSockets where HTTP/2 is spoken at one end or both (RFC 8441), with `ws` and Node's HTTP/2 as peers. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, Settings } from "node:http2";
import test, { type ExecutionContext } from "ava";
import { WebSocket, WebSocketServer } from "ws";
import { acceptWebSocket, openWebSocket } from "../../../../e2e/pods/h2-websocket.ts";
import { timers } from "../../../../agent/limits.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { h2Call } from "../../../support/h2-call.ts";
import { h2Client } from "../../../support/h2-client.ts";
import { H2Origin } from "../../../support/h2-origin.ts";
import { answering, httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { HttpWorld } from "../../../support/http-world.ts";

const H2 = { appProtocol: "kubernetes.io/h2c" };
const OPENING = { ":method": "CONNECT", ":protocol": "websocket", ":path": "/", "sec-websocket-version": "13" };
const MEGABYTE = 1024 * 1024;

/** Echoes with what was asked for before it, in HTTP/1.1. */
async function h1Echo(t: ExecutionContext): Promise<number> {
  const server = createServer();
  const sockets = new WebSocketServer({ server, handleProtocols: () => "chat" });
  sockets.on("connection", (socket, request) => {
    socket.on("message", (data: Buffer) => socket.send(Buffer.concat([Buffer.from(`${request.url} `), data])));
  });
  t.teardown(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as { port: number }).port;
}

/** The same in HTTP/2. */
async function h2Echo(
  t: ExecutionContext,
  settings: Settings = { enableConnectProtocol: true },
): Promise<H2Origin & { readonly seen: IncomingHttpHeaders[] }> {
  const seen: IncomingHttpHeaders[] = [];
  const origin = await H2Origin.create(
    t,
    (stream, headers) => {
      seen.push(headers);
      if (headers[":path"] === "/no") {
        stream.respond({ ":status": 403 });
        stream.end("no");
        return;
      }
      const socket = acceptWebSocket(stream);
      socket.on("message", (data: Buffer) => socket.send(Buffer.concat([Buffer.from(`${headers[":path"]} `), data])));
    },
    settings,
  );
  return Object.assign(origin, { seen });
}

async function echoes(t: ExecutionContext, socket: WebSocket, path: string): Promise<void> {
  for (const text of ["one", "two", "x".repeat(3 * MEGABYTE)]) {
    socket.send(text);
    const [data] = (await once(socket, "message")) as [Buffer];
    t.true(data.equals(Buffer.from(`${path} ${text}`)), `${data.length} bytes`);
  }
}

test("HTTP/2 in, HTTP/1.1 out: several on one connection, until either side closes them", async (t) => {
  const world = await HttpWorld.create(t, { origins: [await h1Echo(t)], lends: true });
  const session = await h2Client(t, world);
  const opened = await Promise.all([
    openWebSocket(session, "/a", { "sec-websocket-protocol": "chat" }),
    openWebSocket(session, "/b"),
  ]);
  t.is(opened[0].status, 200);
  t.is(opened[0].headers["sec-websocket-protocol"], "chat");
  for (const name of ["sec-websocket-accept", "upgrade", "connection"]) t.is(opened[0].headers[name], undefined, name);
  await Promise.all([echoes(t, opened[0].socket, "/a"), echoes(t, opened[1].socket, "/b")]);
  for (const { socket } of opened) {
    socket.close(4_001, "enough");
    t.deepEqual(await once(socket, "close"), [4_001, Buffer.from("enough")]);
  }
  session.close();
  await world.settle();
  t.deepEqual(world.requests(), { "1xx upgraded": 2 });
  t.like(await world.logged("connection"), { requests: 2, reason: "closed" });
});

test("HTTP/2 in, HTTP/2 out, where the port says so", async (t) => {
  const origin = await h2Echo(t);
  const world = await HttpWorld.create(t, { origins: [origin.port], ...H2 });
  const session = await h2Client(t, world);
  const { socket, headers } = await openWebSocket(session, "/a?b", { "x-mine": "1" });
  await echoes(t, socket, "/a?b");
  t.like(origin.seen[0], { ":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", "x-mine": "1" });
  t.is(origin.seen[0]?.["sec-websocket-key"], undefined);
  t.is(headers["sec-websocket-accept"], undefined);
  socket.close();
  await once(socket, "close");
  session.close();
  await world.settle();
  t.deepEqual(world.requests(), { "1xx upgraded": 1 });
});

test("HTTP/1.1 in, HTTP/2 out: the client gets its key's answer; a refusal is an answer like any other", async (t) => {
  const origin = await h2Echo(t);
  const world = await HttpWorld.create(t, { origins: [origin.port], ...H2 });
  const client = new WebSocket(`ws://127.0.0.1:${world.port}/a`);
  await once(client, "open");
  await echoes(t, client, "/a");
  client.close();
  await once(client, "close");
  const refused = new WebSocket(`ws://127.0.0.1:${world.port}/no`);
  const [{ message }] = (await once(refused, "error")) as [Error];
  t.is(message, "Unexpected server response: 403");
  t.is(origin.sessions.length, 1);
  await world.settle();
  t.deepEqual(world.requests(), { "1xx upgraded": 1, "4xx answered": 1 });
});

test("an HTTP/2 endpoint without WebSockets is not asked for one, in either version", async (t) => {
  const origin = await h2Echo(t, {});
  const world = await HttpWorld.create(t, { origins: [origin.port], ...H2 });
  const session = await h2Client(t, world);
  const answer = await h2Call(session, OPENING);
  t.is(answer.status, 501);
  t.regex(answer.body.toString(), /^websocket-not-supported: .*RFC 8441.*appProtocol: ws/);
  const refused = new WebSocket(`ws://127.0.0.1:${world.port}/`);
  const [{ message }] = (await once(refused, "error")) as [Error];
  t.is(message, "Unexpected server response: 501");
  t.is(origin.streams, 0);
  session.close();
  await world.settle();
  t.deepEqual(world.requests(), { "5xx websocket-not-supported": 2 });
});

test("what is no acceptance never looks like one to a client of HTTP/2", async (t) => {
  const switching = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n";
  const answers = {
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi": 502,
    "HTTP/1.1 204 No Content\r\n\r\n": 502,
    [`${switching}\r\n`]: 502,
    [`${switching}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n`]: 502,
    "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno": 403,
    "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 12\r\nContent-Length: 0\r\n\r\n": 426,
  };
  for (const [text, status] of Object.entries(answers)) {
    const origin = await rawOrigin(t, answering(text));
    const world = await HttpWorld.create(t, { origins: [origin.port] });
    const session = await h2Client(t, world);
    const answer = await h2Call(session, OPENING);
    t.like(answer, { status, code: 0 }, text);
    session.close();
    await world.settle();
  }
});

test("CONNECT to anything else is refused, and what RFC 8441 does not allow is malformed", async (t) => {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const session = await h2Client(t, world);
  await once(session, "remoteSettings");
  t.true(session.remoteSettings.enableConnectProtocol);
  t.is((await h2Call(session, { ...OPENING, ":protocol": "connect-udp" })).status, 501);
  t.is((await h2Call(session, { ...OPENING, "content-length": 4 }, "body")).status, 400);
  session.close();
  await world.settle();
  t.is(origin.accepted, 0);
});

test("half-close passes, both ways", async (t) => {
  const origin = await rawOrigin(t, (socket) => {
    socket.once("data", (head: Buffer) => {
      socket.write(acceptanceOf(head));
      socket.on("end", () => socket.end("last words"));
    });
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const session = await h2Client(t, world);
  await once(session, "remoteSettings");
  const stream = session.request(OPENING);
  await once(stream, "response");
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.end();
  await once(stream, "close");
  t.is(Buffer.concat(chunks).toString(), "last words");
  t.is(stream.rstCode, 0);
  session.close();
  await world.settle();
});

test("a reset of either end is a reset for the other one", async (t) => {
  const reset: string[] = [];
  const origin = await rawOrigin(t, (socket, index) => {
    socket.once("data", (head: Buffer) => {
      socket.write(acceptanceOf(head));
      socket.on("error", ({ message }) => reset.push(message));
      if (index === 0) socket.once("data", () => socket.resetAndDestroy());
    });
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const session = await h2Client(t, world);
  await once(session, "remoteSettings");
  const first = session.request(OPENING);
  first.on("error", () => {});
  await once(first, "response");
  first.write("go");
  await once(first, "close");
  t.is(first.rstCode, 8);
  const second = session.request(OPENING);
  second.on("error", () => {});
  await once(second, "response");
  second.close(8);
  await eventually("the endpoint sees it", () => reset.length === 1);
  t.regex(reset[0] ?? "", /ECONNRESET/);
  // The connection goes, and with it what is on it.
  const third = session.request(OPENING);
  third.on("error", () => {});
  await once(third, "response");
  session.destroy();
  await eventually("the endpoint sees that too", () => reset.length === 2);
  await world.settle();
});

test("a reader that stops makes its writer stop, and nobody else", async (t) => {
  let written = 0;
  const origin = await rawOrigin(t, (socket) => {
    socket.once("data", (head: Buffer) => {
      socket.write(acceptanceOf(head));
      const fill = (): void => {
        while (written < 64 * MEGABYTE && socket.write(Buffer.alloc(64 * 1024))) written += 64 * 1024;
      };
      socket.on("drain", fill);
      fill();
    });
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const session = await h2Client(t, world);
  await once(session, "remoteSettings");
  const stream = session.request(OPENING);
  stream.on("error", () => {});
  await once(stream, "response");
  let before = -1;
  await eventually("the writer stops", () => {
    const isStill = written === before && written > 0;
    before = written;
    return isStill;
  });
  t.true(written < 32 * MEGABYTE, `${written}`);
  let read = 0;
  stream.on("data", (chunk: Buffer) => (read += chunk.length));
  await eventually("all of it came", () => read >= 64 * MEGABYTE);
  stream.close(8);
  session.close();
  await world.settle();
});

test("silence ends one, the sooner when one direction has ended", async (t) => {
  const clock = new FakeClock();
  let resets = 0;
  const origin = await rawOrigin(t, (socket) => {
    socket.once("data", (head: Buffer) => socket.write(acceptanceOf(head)));
    socket.on("error", () => (resets += 1));
  });
  const world = await HttpWorld.create(t, { origins: [origin.port], clock });
  const session = await h2Client(t, world);
  await once(session, "remoteSettings");
  const [open, halfClosed] = [session.request(OPENING), session.request(OPENING)];
  for (const stream of [open, halfClosed]) {
    stream.on("error", () => {});
    await once(stream, "response");
  }
  await new Promise((resolve) => halfClosed.end(resolve));
  await new Promise((resolve) => session.ping(resolve));
  clock.advance(timers.halfClosedMs);
  t.false(halfClosed.closed);
  clock.advance(2 * timers.sweepMs);
  await eventually("the half-closed one is reset", () => halfClosed.closed);
  clock.advance(timers.idleConnectionMs - timers.halfClosedMs - 2 * timers.sweepMs);
  t.false(open.closed);
  clock.advance(2 * timers.sweepMs);
  await eventually("the other one is reset too", () => open.closed);
  t.deepEqual([halfClosed.rstCode, open.rstCode], [8, 8]);
  // One that has read our end reads no more.
  await eventually("the endpoint is told", () => resets === 1);
  session.close();
  await world.settle();
});

test("an endpoint that answers in HTTP/1.1, or leaves, instead of saying what it takes is no WebSocket's", async (t) => {
  const oldAnswer = "HTTP/1.1 400 Bad Request\r\n\r\n";
  for (const [answer, status] of [
    [oldAnswer, 502],
    ["", 503],
  ] as const) {
    const origin = await rawOrigin(t, (socket) => socket.once("data", () => socket.end(answer)));
    const world = await HttpWorld.create(t, { origins: [origin.port], ...H2 });
    const session = await h2Client(t, world);
    await once(session, "remoteSettings");
    t.is((await h2Call(session, OPENING)).status, status);
    session.close();
    await world.settle();
  }
});

function acceptanceOf(head: Buffer): string {
  const key = /sec-websocket-key: (.*)\r\n/i.exec(head.toString())?.[1] ?? "";
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const fields = `Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n`;
  return `HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`;
}
