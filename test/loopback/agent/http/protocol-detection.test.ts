/** Ports with routes whose protocol nobody said: who speaks, and what, decides what becomes of a connection. */
import { once } from "node:events";
import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import { httpTimers } from "../../../../agent/http/limits.ts";
import type { RequestRouter } from "../../../../agent/http/request-router.ts";
import type { ServicePort } from "../../../../protocol/table.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { listenForPods } from "../../../support/pod-listener.ts";

const teapot: RequestRouter = {
  decide: () => ({
    kind: "respond",
    code: "no-match",
    status: 404,
    headers: [],
    responseHeaders: [],
    reason: "no rule",
  }),
  endpoints: () => undefined,
  sessionEndpoints: () => [],
};

interface SetUp {
  /** What the server says when it is connected to. */
  readonly greeting?: string;
  readonly port?: Partial<ServicePort>;
  readonly withoutEndpoint?: boolean;
}

/** An endpoint that answers every chunk with itself in brackets. */
async function setUp(t: ExecutionContext, { greeting, port, withoutEndpoint }: SetUp = {}) {
  const seen: Socket[] = [];
  const origin = createServer({ allowHalfOpen: true }, (socket) => {
    seen.push(socket);
    socket.on("error", () => {});
    if (greeting !== undefined) socket.write(greeting);
    socket.on("data", (chunk) => socket.write(`[${chunk.toString("latin1")}]`));
    socket.on("end", () => socket.end("bye"));
  });
  origin.listen(0, "127.0.0.1");
  await once(origin, "listening");
  t.teardown(() => {
    origin.close();
    for (const socket of seen) socket.destroy();
  });
  const clock = new FakeClock();
  const originPort = withoutEndpoint === true ? {} : { originPort: (origin.address() as AddressInfo).port };
  const listening = await listenForPods(t, {
    router: teapot,
    clock,
    ...(port === undefined ? {} : { port }),
    ...originPort,
  });
  const detections: Record<string, number> = {};
  return {
    ...listening,
    clock,
    seen,
    client: async () => await Client.connect(t, listening.port),
    /** Outcomes so far, those before the last call too. */
    detected: () => {
      for (const { name, labelValues, value } of listening.world.metrics.collect().counters) {
        const [outcome = ""] = labelValues;
        if (name === "detections") detections[outcome] = (detections[outcome] ?? 0) + value;
      }
      return detections;
    },
    /** The agent has the connection, and waits for its first byte. */
    waits: async (count = 1) => {
      await eventually("the connection", () => listening.world.connections.size >= count);
    },
  };
}

class Client {
  readonly socket: Socket;
  text = "";
  ended = false;
  reset = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.text += chunk.toString("latin1");
    });
    socket.on("end", () => {
      this.ended = true;
    });
    socket.on("error", () => {
      this.reset = true;
    });
  }

  static async connect(t: ExecutionContext, port: number): Promise<Client> {
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
    t.teardown(() => socket.destroy());
    const client = new Client(socket);
    await once(socket, "connect");
    return client;
  }

  async reads(text: string): Promise<void> {
    await eventually(`${text} after ${this.text}`, () => this.text.includes(text));
  }
}

test("HTTP is served by the routes, without a connection to an endpoint", async (t) => {
  const { client, detected, seen } = await setUp(t);
  const pod = await client();
  pod.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await pod.reads("hawser-reason: no-match");
  t.deepEqual(detected(), { http: 1 });
  t.is(seen.length, 0);
});

test("so is HTTP/2 with prior knowledge", async (t) => {
  const { url, detected, seen } = await setUp(t);
  const session = connectHttp2(url);
  t.teardown(() => session.destroy());
  const request = session.request({ ":path": "/" });
  const [headers] = (await once(request, "response")) as [IncomingHttpHeaders];
  t.is(headers["hawser-reason"], "no-match");
  t.deepEqual(detected(), { http: 1 });
  t.is(seen.length, 0);
});

test("also in pieces, and also when the rest is late", async (t) => {
  const { client, clock, detected, waits, seen } = await setUp(t);
  const pod = await client();
  await waits();
  pod.socket.write("GE");
  // An answer on another connection: by then the two bytes were read.
  const other = await client();
  other.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await other.reads("no-match");
  clock.advance(httpTimers.firstByteMs);
  pod.socket.write("T / HTTP/1.1\r\nhost: a\r\n\r\n");
  await pod.reads("no-match");
  t.deepEqual(detected(), { http: 2 });
  t.is(seen.length, 0);
});

test("what is no HTTP is relayed from its first byte, and told once", async (t) => {
  const { client, detected, log } = await setUp(t);
  for (const text of ["*1\r\n$4\r\nPING\r\n", "hello\n"]) {
    const pod = await client();
    pod.socket.write(text);
    await pod.reads(`[${text}]`);
    pod.socket.end();
    await pod.reads("bye");
  }
  t.deepEqual(detected(), { bytes: 2 });
  const told = log.lines.filter(({ fields }) => fields["event"] === "not-http");
  t.is(told.length, 1);
  t.like(told[0]?.fields, { found: "no HTTP" });
});

test("TLS is relayed: it is for the two ends", async (t) => {
  const { client, detected } = await setUp(t);
  const pod = await client();
  pod.socket.write(Buffer.from("\x16\x03\x01\x00\x05", "latin1"));
  await pod.reads("[\x16\x03\x01");
  t.deepEqual(detected(), { tls: 1 });
});

test("what only lenient servers take for HTTP is refused, and not relayed past the routes", async (t) => {
  const { client, seen } = await setUp(t);
  for (const text of ["get / HTTP/1.1\r\nhost: a\r\n\r\n", " GET / HTTP/1.1\r\nhost: a\r\n\r\n"]) {
    const pod = await client();
    pod.socket.write(text);
    await pod.reads("400");
  }
  t.is(seen.length, 0);
});

test("a server that speaks first is held up once, and the next connections not at all", async (t) => {
  const { client, clock, detected, waits, log } = await setUp(t, { greeting: "welcome" });
  const first = await client();
  await waits();
  t.is(first.text, "");
  clock.advance(httpTimers.firstByteMs);
  await first.reads("welcome");
  first.socket.write("query");
  await first.reads("[query]");
  // The clock stands still.
  const second = await client();
  await second.reads("welcome");
  second.socket.write("query");
  await second.reads("[query]");
  t.deepEqual(detected(), { silent: 1, "server-first": 2, "known-server-first": 1 });
  t.is(log.lines.filter(({ fields }) => fields["event"] === "not-http").length, 1);
  clock.advance(httpTimers.firstSpeakerMs);
  const later = await client();
  await waits(3);
  clock.advance(httpTimers.firstByteMs);
  await later.reads("welcome");
  t.is(detected()["silent"], 2);
});

test("a client of HTTP that was silent for long is served by the routes all the same", async (t) => {
  const { client, clock, detected, waits, seen, world } = await setUp(t);
  const pod = await client();
  await waits();
  clock.advance(httpTimers.firstByteMs);
  await eventually("a connection to the endpoint", () => seen.length === 1);
  pod.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await pod.reads("no-match");
  pod.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await eventually("two answers", () => pod.text.split("no-match").length >= 3);
  t.deepEqual(detected(), { silent: 1, "http-late": 1 });
  await eventually("the endpoint is let go of", () => seen[0]?.destroyed === true);
  t.is(world.connections.size, 1);
});

test("a client that was silent for long and is no HTTP keeps its connection", async (t) => {
  const { client, clock, waits, seen } = await setUp(t);
  const pod = await client();
  await waits();
  clock.advance(httpTimers.firstByteMs);
  await eventually("a connection to the endpoint", () => seen.length === 1);
  pod.socket.write("hello\n");
  await pod.reads("[hello\n]");
  t.is(seen.length, 1);
});

test("a client that says nothing and ends is relayed with its end", async (t) => {
  const { client, waits } = await setUp(t, { greeting: "banner" });
  const pod = await client();
  await waits();
  pod.socket.end();
  await pod.reads("bannerbye");
  t.false(pod.reset);
  await eventually("the end", () => pod.ended);
});

test("without an endpoint silence is waited out, and bytes are refused", async (t) => {
  const { client, clock, waits, log } = await setUp(t, { withoutEndpoint: true });
  const quiet = await client();
  await waits();
  clock.advance(httpTimers.firstByteMs);
  quiet.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await quiet.reads("no-match");
  const loud = await client();
  loud.socket.write("hello\n");
  await eventually("a reset", () => loud.reset);
  const refused = await eventually("a line", () => log.lines.find(({ fields }) => fields["reason"] === "no-endpoints"));
  t.truthy(refused);
});

test("a port that says what it is needs no detection", async (t) => {
  const http = await setUp(t, { port: { appProtocol: "http" } });
  const refused = await http.client();
  refused.socket.write("hello\r\n\r\n");
  await refused.reads("400");
  t.is(http.seen.length, 0);
  const bytes = await setUp(t, { port: { name: "tcp-db" }, greeting: "welcome" });
  const pod = await bytes.client();
  await pod.reads("welcome");
  pod.socket.write("GET / HTTP/1.1\r\n\r\n");
  await pod.reads("[GET /");
  t.deepEqual([http.detected(), bytes.detected()], [{}, {}]);
});

test("a connection that is reset while nobody has spoken leaves a line, and nothing else", async (t) => {
  const { client, waits, log, world } = await setUp(t);
  const pod = await client();
  await waits();
  pod.socket.resetAndDestroy();
  await eventually("a line", () => log.lines.find(({ fields }) => fields["event"] === "connection"));
  t.is(world.connections.size, 0);
});
