/** WebSocket, 100-continue, bodies of any size with readers of any speed. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import test from "ava";
import { WebSocket, WebSocketServer } from "ws";
import { limits } from "../../../../agent/limits.ts";
import { eventually } from "../../../support/eventually.ts";
import { httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { HttpWorld } from "../../../support/http-world.ts";
import { PodProbe } from "../../../support/socket-pair.ts";

const MEGABYTE = 1024 * 1024;

test("a WebSocket passes, both ways, until either side closes it", async (t) => {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket, request) => {
    socket.on("message", (data: Buffer) => socket.send(`${request.url} ${data.toString()}`));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const world = await HttpWorld.create(t, { origins: [(server.address() as { port: number }).port], lends: true });
  for (const path of ["/a", "/b"]) {
    const client = new WebSocket(`ws://127.0.0.1:${world.port}${path}`);
    await once(client, "open");
    for (const text of ["one", "two", "x".repeat(100_000)]) {
      client.send(text);
      const [data] = (await once(client, "message")) as [Buffer];
      t.is(data.toString(), `${path} ${text}`);
    }
    client.close();
    await once(client, "close");
  }
  await world.settle();
  t.deepEqual(world.requests(), { "1xx upgraded": 2 });
  t.like(await world.logged("connection"), { requests: 1, reason: "closed" });
  sockets.close();
  server.close();
});

test("bytes behind the heads of an upgrade are not lost, on either side", async (t) => {
  const origin = await rawOrigin(t, (socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello ");
      socket.on("data", (chunk: Buffer) => socket.write(chunk));
      socket.on("end", () => socket.end("bye"));
    });
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write("GET / HTTP/1.1\r\nHost: c\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly ");
  await eventually("both", () => probe.text.endsWith("hello early "));
  client.end("late ");
  await probe.saw("end");
  t.regex(probe.text, /hello early late bye$/);
  await world.settle();
  t.is(world.plane.upstreams.size, 0);
});

test("an upgrade to HTTP/2 is not offered to the server", async (t) => {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(
    "GET / HTTP/1.1\r\nHost: c\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
  );
  await eventually("it is answered", () => probe.text.includes('"url"'));
  t.regex(probe.text, /^HTTP\/1\.1 200 /);
  t.false(probe.text.toLowerCase().includes("h2c") || probe.text.toLowerCase().includes("http2-settings"));
  client.destroy();
  await world.settle();
});

test("a refused upgrade is an answer like any other", async (t) => {
  const origin = await httpOrigin(t, (_request, response) => response.writeHead(403).end("no"));
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(
    "GET / HTTP/1.1\r\nHost: c\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\nHost: c\r\n\r\n",
  );
  await eventually("both are answered", () => probe.text.split("HTTP/1.1 403").length === 3);
  client.destroy();
  await world.settle();
  t.deepEqual(world.requests(), { "4xx answered": 2 });
});

test("100-continue: the client's question goes to the server, its word comes back before the body is sent", async (t) => {
  const origin = await httpOrigin(t);
  origin.server.on("checkContinue", (request, response) => {
    response.writeContinue();
    origin.server.emit("request", request, response);
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write("PUT / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  await eventually("it may go on", () => probe.text === "HTTP/1.1 100 Continue\r\n\r\n");
  client.write("hello");
  await eventually("it is answered", () => probe.text.includes('"body":"hello"'));
  t.false(probe.text.includes("connection: close"));
  client.destroy();
  await world.settle();
});

test("100-continue: a refusal comes instead, and the connection closes, because the body may come or not", async (t) => {
  const origin = await httpOrigin(t);
  origin.server.on("checkContinue", (_request, response) => response.writeHead(413).end());
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write("PUT / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  await probe.saw("end");
  t.regex(probe.text, /^HTTP\/1\.1 413 [^]*connection: close\r\n/);
  client.end();
  await world.settle();
});

test("103 comes before the answer, but not to HTTP/1.0", async (t) => {
  const origin = await httpOrigin(t, (_request, response) => {
    response.writeEarlyHints({ link: "</a>; rel=preload" });
    response.end("done");
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  for (const [version, expected] of [
    ["1.1", true],
    ["1.0", false],
  ] as const) {
    const client = await world.connect();
    const probe = new PodProbe(client);
    client.write(`GET / HTTP/${version}\r\nHost: c\r\nConnection: close\r\n\r\n`);
    await probe.saw("end");
    t.is(
      probe.text.startsWith("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200"),
      expected,
      probe.text,
    );
    client.destroy();
  }
  await world.settle();
});

test("large bodies arrive unchanged, both ways at once", async (t) => {
  const origin = await httpOrigin(t, (request, response) => request.pipe(response));
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const body = randomBytes(8 * MEGABYTE);
  const response = await fetch(world.url, { method: "POST", body });
  const hash = createHash("sha256").update(Buffer.from(await response.arrayBuffer()));
  t.is(hash.digest("hex"), createHash("sha256").update(body).digest("hex"));
});

test("a client that does not read holds the server back, not the agent's memory", async (t) => {
  let written = 0;
  const origin = await httpOrigin(t, (_request, response) => {
    const chunk = Buffer.alloc(256 * 1024);
    const more = (): void => {
      while (written < 512 * MEGABYTE) {
        written += chunk.length;
        if (!response.write(chunk)) break;
      }
    };
    response.on("drain", more);
    more();
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  client.write("GET / HTTP/1.1\r\nHost: c\r\n\r\n");
  await eventually("the server is not read any more", () => [...world.sockets].some((socket) => socket.isPaused()));
  t.true(written < 64 * MEGABYTE, `${written} bytes`);
  const held = [...world.sockets].reduce((sum, socket) => sum + socket.writableLength + socket.readableLength, 0);
  t.true(held < limits.socketBufferBytes + MEGABYTE, `${held} bytes`);
  client.destroy();
  await world.settle();
});

test("a server that does not read holds the client back, not the agent's memory", async (t) => {
  const origin = await rawOrigin(t, (socket) => socket.pause());
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  client.write(`POST / HTTP/1.1\r\nHost: c\r\nContent-Length: ${512 * MEGABYTE}\r\n\r\n`);
  const chunk = Buffer.alloc(MEGABYTE);
  let written = 0;
  const more = (): void => {
    while (written < 512 * MEGABYTE) {
      written += chunk.length;
      if (!client.write(chunk)) return;
    }
  };
  client.on("drain", more);
  more();
  const agentSide = await eventually("it is paused", () => {
    return [...world.sockets].find((socket) => socket.localPort === world.port && socket.isPaused());
  });
  t.true(agentSide.bytesRead < 64 * MEGABYTE, `${agentSide.bytesRead} bytes`);
  // A socket that is not read does not tell that its peer is gone: the server's end is what ends both.
  client.destroy();
  origin.close();
  await world.settle();
});
