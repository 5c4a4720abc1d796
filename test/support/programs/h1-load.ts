/**
 * Parts of the HTTP/1.1 bench, driven over IPC by bench/h1.ts.
 *
 *   h1-load.ts codec                   -> results of the codec alone, then it ends
 *   h1-load.ts agent <http|relay>      <- { originPort }, -> { port }; then anything -> { cpuUs }, all that it has used
 *   h1-load.ts peers                   -> { originPort }; then a Load -> { wallMs }
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { BodyWriter } from "../../../agent/http/h1/body-writer.ts";
import { createRequestParser } from "../../../agent/http/h1/message-parser.ts";
import type { H1RequestHead } from "../../../agent/http/h1/request-head.ts";
import { writeRequestHead } from "../../../agent/http/h1/write-head.ts";
import { PlainStream } from "../../../agent/relay/plain-stream.ts";
import { Relay } from "../../../agent/relay/relay.ts";
import { WriteCoalescer } from "../../../agent/relay/write-coalescer.ts";
import { LogRelay } from "../../../agent/telemetry/log-relay.ts";
import { systemClock } from "../../../core/clock.ts";
import { HttpWorld } from "../http-world.ts";

interface Load {
  readonly port: number;
  readonly connections: number;
  readonly requests: number;
}

/** What a browser or an HTTP library sends: 12 fields, about 420 bytes. */
const REQUEST = Buffer.from(
  "GET /api/v2/items?category=books&page=3 HTTP/1.1\r\nHost: catalog.shop.svc.cluster.local\r\n" +
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: application/json, text/plain, */*\r\n" +
    "Accept-Language: en-GB,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\nX-Request-Id: 4b1c2f60-8a45-4f6e\r\n" +
    "Authorization: Bearer abcdefghijklmnop\r\nCookie: session=1234567890\r\nCache-Control: no-cache\r\n" +
    "X-User: ann\r\nConnection: keep-alive\r\n\r\n",
);
const ANSWER_BODY_BYTES = 300;
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\nServer: bench\r\n` +
    `Cache-Control: no-store\r\nContent-Length: ${ANSWER_BODY_BYTES}\r\n\r\n${"x".repeat(ANSWER_BODY_BYTES)}`,
);
const HEADS = 200_000;
const READS = 100_000;
const METRICS_PERIOD_MS = 1_000;
/** What one read of a socket gives at most. */
const READ_BYTES = 64 * 1024;

process.once("disconnect", () => process.exit());
const [role, kind] = process.argv.slice(2);
if (role === "codec") tell(measureCodec());
else if (role === "agent") process.once("message", ({ originPort }: { originPort: number }) => void agent(originPort));
else await peers();

function tell(message: object): void {
  process.send?.(message);
}

// The codec alone.

function measureCodec(): object {
  for (const rounds of [HEADS / 10, HEADS]) {
    const parseNs = timeNs(rounds, parser());
    const head = parsedHead();
    const writeNs = timeNs(rounds, () => void writeRequestHead(head));
    const lengthNs = bodyNs("length");
    const chunkedNs = bodyNs("chunked");
    if (rounds === HEADS) return { headBytes: REQUEST.length, parseNs, writeNs, lengthNs, chunkedNs };
  }
  return {};
}

function parser(): () => void {
  const parsing = createRequestParser({ onHead() {}, onBody() {}, onEnd() {} });
  return () => void parsing.read(REQUEST, 0);
}

function parsedHead(): H1RequestHead {
  let head: H1RequestHead | undefined;
  createRequestParser({
    onHead(next) {
      head = next;
    },
    onBody() {},
    onEnd() {},
  }).read(REQUEST, 0);
  if (head === undefined) throw new Error("The request has no head");
  return head;
}

function timeNs(rounds: number, work: () => void): number {
  const started = process.hrtime.bigint();
  for (let round = 0; round < rounds; round += 1) work();
  return Number(process.hrtime.bigint() - started) / rounds;
}

/** Per read, parsed and framed anew. */
function bodyNs(framing: "length" | "chunked"): number {
  let bytes = 0;
  const count = ({ length }: { readonly length: number }): boolean => {
    bytes += length;
    return true;
  };
  const writer = new BodyWriter({ write: count, writeText: count });
  writer.begin("", framing);
  const parsing = createRequestParser({ onHead() {}, onBody: (content) => void writer.write(content), onEnd() {} });
  const field = framing === "length" ? `Content-Length: ${READS * READ_BYTES}` : "Transfer-Encoding: chunked";
  parsing.read(Buffer.from(`POST / HTTP/1.1\r\nHost: c\r\n${field}\r\n\r\n`), 0);
  const content = Buffer.alloc(READ_BYTES);
  const chunk = [Buffer.from(`${READ_BYTES.toString(16)}\r\n`), content, Buffer.from("\r\n")];
  const read = framing === "length" ? content : Buffer.concat(chunk);
  const ns = timeNs(READS, () => void parsing.read(read, 0));
  if (bytes < READS * READ_BYTES) throw new Error(`Only ${bytes} bytes of the body came out`);
  return ns;
}

// What stands between.

async function agent(originPort: number): Promise<void> {
  const port = await (kind === "http" ? requests(originPort) : relays(originPort));
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    tell({ cpuUs: user + system });
  });
  tell({ port });
}

/** With a log as data workers have it, at its usual level. */
async function requests(originPort: number): Promise<number> {
  const otherLog = new LogRelay({ clock: systemClock, level: "info", base: {}, post() {} });
  const world = await HttpWorld.create({ teardown() {} }, { origins: [originPort], otherLog });
  systemClock.every(METRICS_PERIOD_MS, () => world.metrics.collect());
  return world.port;
}

/** As a connection to an endpoint of this node that is not looked into. */
async function relays(originPort: number): Promise<number> {
  const writes = new WriteCoalescer();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const relay = new Relay({
      socket,
      writes,
      podIsSource: true,
      onResponse: () => relay.established({ sentBytes: 0, receivedBytes: 0 }),
      onStreamLost: () => relay.abort("connect-failed"),
      onClosed: () => {},
    });
    relay.start(0);
    const dialled = connect({ host: "127.0.0.1", port: originPort, allowHalfOpen: true, noDelay: true });
    relay.attach(new PlainStream(dialled, relay));
  });
  return await listen(server);
}

// Both ends.

async function peers(): Promise<void> {
  const originPort = await listen(createServer({ noDelay: true }, serve));
  process.on("message", (load: Load) => {
    void run(load).then((wallMs) => tell({ wallMs }));
  });
  tell({ originPort });
}

/** Counts requests by their heads' ends: the origin must not be what is measured. */
function serve(socket: Socket): void {
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    if (chunk.indexOf("\r\n\r\n") !== -1) socket.write(ANSWER);
  });
}

async function run({ port, connections, requests }: Load): Promise<number> {
  const started = performance.now();
  const each = Math.floor(requests / connections);
  await Promise.all(Array.from({ length: connections }, () => client(port, each)));
  return performance.now() - started;
}

async function client(port: number, requests: number): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  await new Promise<void>((resolve) => {
    let left = requests;
    let missing = 0;
    const next = (): void => {
      if (left === 0) {
        resolve();
        return;
      }
      left -= 1;
      missing = ANSWER_BODY_BYTES;
      socket.write(REQUEST);
    };
    socket.on("data", (chunk: Buffer) => {
      const end = missing === ANSWER_BODY_BYTES ? chunk.indexOf("\r\n\r\n") + 4 : 0;
      missing -= chunk.length - end;
      if (missing === 0) next();
    });
    next();
  });
  socket.destroy();
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
