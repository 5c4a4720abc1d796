/**
 * One end of a tunnel under load, driven over IPC by bench/engines.ts. The serving end makes the certificates and tells
 * them; the dialling end carries out the loads. Both tell the CPU time that they have used.
 *
 *   engine-load.ts serve <engine>   -> { port, client }; then anything -> { cpuUs }, all that it has used
 *   engine-load.ts dial <engine>    <- { port, client }, -> { open }; then an Order -> { wallMs, cpuUs }
 */
import { randomBytes } from "node:crypto";
import { type AddressInfo, connect, createServer } from "node:net";
import { createSecureContext } from "node:tls";
import { systemClock } from "../../../core/clock.ts";
import type { ClientTunnel, IncomingStream, StreamHandler, TunnelStream } from "../../../agent/tunnel/engine.ts";
import { FramingAcceptor } from "../../../agent/tunnel/framing/framing-acceptor.ts";
import { FramingClientTunnel } from "../../../agent/tunnel/framing/framing-client-tunnel.ts";
import { type ClientTunnelOptions, H2ClientTunnel } from "../../../agent/tunnel/h2-client-tunnel.ts";
import { TLS_SETTINGS, type TlsCredentials } from "../../../agent/tunnel/tls-settings.ts";
import { type AcceptorOptions, TunnelAcceptor } from "../../../agent/tunnel/tunnel-acceptor.ts";
import { TestAuthority } from "../test-authority.ts";

const SERVER = "spiffe://cluster.local/ns/bench/sa/server";
const CLIENT = "spiffe://cluster.local/ns/bench/sa/client";
const REQUEST_BYTES = 120;
const ANSWER_BYTES = 300;
/** Always the same one: what the pods' sockets allocate is not what is compared. */
const CHUNK = Buffer.alloc(65_536);
const CALLS = "10.0.0.1:1";
const SINK = "10.0.0.1:2";
const SOURCE = "10.0.0.1:3";

interface Peer {
  readonly port: number;
  readonly client: TlsCredentials;
}

type Order =
  | { readonly kind: "cpu" }
  | { readonly kind: "calls"; readonly streams: number; readonly calls: number }
  | { readonly kind: "upload" | "download"; readonly bytes: number };

process.once("disconnect", () => process.exit());
const [role, engine] = process.argv.slice(2);
if (role === "serve") await serve();
else process.once("message", (peer: Peer) => dial(peer));

function tell(message: object): void {
  process.send?.(message);
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

// The serving end.

async function serve(): Promise<void> {
  const authority = await TestAuthority.create();
  const acceptor = newAcceptor({
    clock: systemClock,
    ticketKeys: randomBytes(48),
    events: {
      authorize: () => undefined,
      onTunnel: () => {},
      onStream: (_tunnel, stream) => answer(stream),
      onTunnelClosed: () => {},
      onRefused: (_address, _pod, reason) => tell({ error: reason }),
    },
  });
  acceptor.setCredentials([await authority.issue(SERVER)]);
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    acceptor.accept(socket, SERVER, { peer: "127.0.0.1", pod: "127.0.0.1" }, () => {});
  });
  const client = await authority.issue(CLIENT);
  server.listen(0, "127.0.0.1", () => tell({ port: (server.address() as AddressInfo).port, client }));
  process.on("message", () => tell({ cpuUs: cpuUs() }));
}

function newAcceptor(options: AcceptorOptions): TunnelAcceptor | FramingAcceptor {
  return engine === "framing" ? new FramingAcceptor(options) : new TunnelAcceptor(options);
}

function answer(incoming: IncomingStream): void {
  const { authority, headers } = incoming.request;
  const handler =
    authority === CALLS
      ? new Answerer()
      : authority === SINK
        ? new Sink(Number(headers["bytes"]))
        : new Source(Number(headers["bytes"]));
  handler.start(incoming.accept({}, handler));
}

/** What the three have in common: nothing is expected to go wrong. */
abstract class Handler implements StreamHandler {
  stream!: TunnelStream;
  start(stream: TunnelStream): void {
    this.stream = stream;
  }
  onResponse(): void {}
  abstract onData(chunk: Buffer): void;
  onEnd(): void {
    this.stream.end();
  }
  onDrain(): void {}
  onReset(code: number, reason: string): void {
    tell({ error: `reset ${code}: ${reason}` });
  }
}

/** Small calls: so many bytes back for every so many bytes. */
class Answerer extends Handler {
  #bytes = 0;
  onData(chunk: Buffer): void {
    this.#bytes += chunk.length;
    for (; this.#bytes >= REQUEST_BYTES; this.#bytes -= REQUEST_BYTES) this.stream.write(Buffer.alloc(ANSWER_BYTES));
  }
}

class Sink extends Handler {
  #left: number;
  constructor(bytes: number) {
    super();
    this.#left = bytes;
  }
  onData(chunk: Buffer): void {
    this.#left -= chunk.length;
    if (this.#left === 0) this.stream.write(Buffer.alloc(1));
  }
}

class Source extends Handler {
  #left: number;
  constructor(bytes: number) {
    super();
    this.#left = bytes;
  }
  override start(stream: TunnelStream): void {
    super.start(stream);
    this.onDrain();
  }
  onData(): void {}
  override onDrain(): void {
    pour(this.stream, () => {
      const chunk = this.#left > 0 ? CHUNK : undefined;
      this.#left -= CHUNK.length;
      return chunk;
    });
  }
}

/** Writes until the stream says stop. */
function pour(stream: TunnelStream, next: () => Buffer | undefined): void {
  for (let chunk = next(); chunk !== undefined && stream.write(chunk); ) chunk = next();
}

// The dialling end.

function dial({ port, client }: Peer): void {
  const { keyPem, chainPem, rootsPem } = client;
  const tunnel = newTunnel({
    socket: connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true }),
    secureContext: createSecureContext({ ...TLS_SETTINGS, key: keyPem, cert: chainPem, ca: rootsPem }),
    expectedIdentity: SERVER,
    tlsSession: undefined,
    clock: systemClock,
    onOpen: () => tell({ open: true }),
    onTlsSession: () => {},
    onDraining: () => {},
    onClosed: (error) => tell({ error: error?.message }),
  });
  tunnel.start();
  process.on("message", (order: Order) => void carryOut(tunnel, order));
}

function newTunnel(options: ClientTunnelOptions): ClientTunnel & { start(): void } {
  return engine === "framing" ? new FramingClientTunnel(options) : new H2ClientTunnel(options);
}

async function carryOut(tunnel: ClientTunnel, order: Order): Promise<void> {
  const startUs = cpuUs();
  const startMs = performance.now();
  if (order.kind === "calls") await calls(tunnel, order.streams, order.calls);
  else if (order.kind !== "cpu") await transfer(tunnel, order.kind, order.bytes);
  tell({ wallMs: performance.now() - startMs, cpuUs: cpuUs() - startUs });
}

async function calls(tunnel: ClientTunnel, streams: number, count: number): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: streams }, async () => {
      await new Promise<void>((resolve) => {
        const caller = new Caller(() => {
          left -= 1;
          return left >= 0;
        }, resolve);
        caller.start(tunnel.openStream({ authority: CALLS, headers: {} }, caller));
      });
    }),
  );
}

class Caller extends Handler {
  readonly #another: () => boolean;
  readonly #done: () => void;
  #bytes = 0;
  constructor(another: () => boolean, done: () => void) {
    super();
    this.#another = another;
    this.#done = done;
  }
  override start(stream: TunnelStream): void {
    super.start(stream);
    stream.write(Buffer.alloc(REQUEST_BYTES));
  }
  onData(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes < ANSWER_BYTES) return;
    this.#bytes = 0;
    if (this.#another()) this.stream.write(Buffer.alloc(REQUEST_BYTES));
    else this.stream.end();
  }
  override onEnd(): void {
    this.#done();
  }
}

async function transfer(tunnel: ClientTunnel, kind: "upload" | "download", bytes: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const handler = kind === "upload" ? new Uploader(bytes, resolve) : new Downloader(bytes, resolve);
    const request = { authority: kind === "upload" ? SINK : SOURCE, headers: { bytes: String(bytes) } };
    handler.start(tunnel.openStream(request, handler));
  });
}

class Downloader extends Handler {
  #left: number;
  readonly #done: () => void;
  constructor(bytes: number, done: () => void) {
    super();
    this.#left = bytes;
    this.#done = done;
  }
  onData(chunk: Buffer): void {
    this.#left -= chunk.length;
    if (this.#left === 0) this.stream.end();
  }
  override onEnd(): void {
    this.#done();
  }
  override onReset(): void {}
}

class Uploader extends Source {
  readonly #done: () => void;
  constructor(bytes: number, done: () => void) {
    super(bytes);
    this.#done = done;
  }
  override onData(): void {
    this.stream.end();
  }
  override onEnd(): void {
    this.#done();
  }
}
