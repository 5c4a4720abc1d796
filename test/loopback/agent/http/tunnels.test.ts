/** Requests inside real tunnels: one CONNECT stream carries many, and dies without harm to the next ones. */
import test, { type ExecutionContext } from "ava";
import { FramingAcceptor } from "../../../../agent/tunnel/framing/framing-acceptor.ts";
import { FramingClientTunnel } from "../../../../agent/tunnel/framing/framing-client-tunnel.ts";
import {
  ErrorCode,
  type IncomingStream,
  type StreamHandler,
  type TunnelStream,
} from "../../../../agent/tunnel/engine.ts";
import { TunnelError } from "../../../../agent/tunnel/tunnel-error.ts";
import type { Acquired, TunnelPool } from "../../../../agent/tunnel/tunnel-pool.ts";
import { candidate } from "../../../support/candidates.ts";
import { eventually } from "../../../support/eventually.ts";
import { HttpWorld } from "../../../support/http-world.ts";
import { PodProbe } from "../../../support/socket-pair.ts";
import { TunnelWorld } from "../../../support/tunnel-world.ts";

const engine = {
  name: "framing",
  dial: (options: ConstructorParameters<typeof FramingClientTunnel>[0]) => new FramingClientTunnel(options),
  acceptor: (options: ConstructorParameters<typeof FramingAcceptor>[0]) => new FramingAcceptor(options),
};
const GET = "GET / HTTP/1.1\r\nHost: c\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A server at the far end of a tunnel: answers each head with `OK`, and remembers what it was asked. */
class FarServer implements StreamHandler {
  stream: TunnelStream | undefined;
  text = "";
  isReset = false;
  isEnded = false;
  readonly #answers: boolean;

  constructor(incoming: IncomingStream, answers = true) {
    this.#answers = answers;
    this.stream = incoming.accept({}, this);
  }

  onResponse(): void {}
  onData(chunk: Buffer): void {
    this.text += chunk.toString();
    if (this.#answers && this.text.endsWith("\r\n\r\n")) this.stream?.write(Buffer.from(OK));
  }
  onEnd(): void {
    this.isEnded = true;
    this.stream?.end();
  }
  onDrain(): void {}
  onReset(): void {
    this.isReset = true;
  }
}

async function worlds(
  t: ExecutionContext,
  candidates = [candidate("pod")],
  refuse: (address: string) => boolean = () => false,
) {
  const tunnels = await TunnelWorld.create(engine);
  t.teardown(() => tunnels.close());
  const { tunnel } = await tunnels.open();
  const acquire = ({ address }: { address: string }, answer: Acquired) => {
    answer(refuse(address) ? new TunnelError("tcp-connect-failed", "no agent there") : tunnel);
    return () => {};
  };
  const world = await HttpWorld.create(t, { candidates, pool: { acquire } as unknown as TunnelPool });
  return { tunnels, tunnel, world };
}

test("requests of one connection share a stream, which names the pod they come from", async (t) => {
  const { tunnels, tunnel, world } = await worlds(t);
  const servers: FarServer[] = [];
  let forwarded: string | undefined;
  tunnels.onStream = (stream) => {
    forwarded = stream.request.headers["forwarded"];
    servers.push(new FarServer(stream));
  };
  const client = await world.connect();
  const probe = new PodProbe(client);
  for (let count = 1; count <= 3; count += 1) {
    client.write(GET);
    await eventually("it is answered", () => probe.text.split("ok").length === count + 1);
  }
  t.is(servers.length, 1);
  t.regex(forwarded ?? "", /^for="10\.244\.1\.2:\d+";host=catalog\.shop\.svc/);
  client.end();
  await world.settle();
  await eventually("the server sees its end", () => servers[0]?.isEnded);
  await eventually("the stream is gone", () => tunnel.openStreams === 0);
  t.deepEqual(world.requests(), { "2xx answered": 3 });
});

test("a kept connection whose tunnel drains is given up: the next request goes through another tunnel", async (t) => {
  const { tunnels, tunnel } = await worlds(t);
  const { tunnel: successor } = await tunnels.open();
  const servers: FarServer[] = [];
  tunnels.onStream = (stream) => void servers.push(new FarServer(stream));
  const acquire = (_target: object, answer: Acquired) => {
    answer(tunnel.state === "open" ? tunnel : successor);
    return () => {};
  };
  const world = await HttpWorld.create(t, {
    candidates: [candidate("pod")],
    pool: { acquire } as unknown as TunnelPool,
  });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(GET);
  await eventually("the first answer", () => probe.text.split("\r\n\r\nok").length === 2);
  await eventually("the connection to be kept", () => world.plane.upstreams.idleCount === 1);
  tunnel.drain();
  client.write(GET);
  await eventually("the second answer", () => probe.text.split("\r\n\r\nok").length === 3);
  t.is(servers.length, 2);
  await eventually("the first tunnel to be left", () => servers[0]?.isEnded === true && tunnel.openStreams === 0);
});

test("a far end that does not reach its server: the request goes to another endpoint, body and all", async (t) => {
  const { tunnels, world } = await worlds(t, [candidate("a"), candidate("b", { address: "10.244.2.9" })]);
  const seen: string[] = [];
  const servers: FarServer[] = [];
  tunnels.onStream = (stream) => {
    if (seen.push(stream.request.authority) === 1) stream.refuse(503, { "hawser-reason": "connection refused" });
    else servers.push(new FarServer(stream));
  };
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write("POST / HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  await eventually("it is answered", () => probe.text.endsWith("ok"));
  t.is(new Set(seen).size, 2);
  client.destroy();
  await world.settle();
  t.like(await world.logged("request"), { tries: 2, status: 200 });
});

test("no tunnel to one endpoint: another one; none at all: 503", async (t) => {
  let down = new Set(["10.244.2.1"]);
  const { tunnels, world } = await worlds(t, [candidate("a"), candidate("b", { address: "10.244.2.9" })], (address) =>
    down.has(address),
  );
  tunnels.onStream = (stream) => void new FarServer(stream);
  const response = await fetch(world.url);
  t.is(response.status, 200);
  down = new Set(["10.244.2.1", "10.244.2.9"]);
  world.plane.upstreams.drain();
  const failed = await fetch(world.url);
  t.is(failed.status, 503);
  t.regex(await failed.text(), /no agent there/);
});

test("the far agent refuses us: 502 with its reason, and no other endpoint is asked", async (t) => {
  const { tunnels, world } = await worlds(t, [candidate("a"), candidate("b", { address: "10.244.2.9" })]);
  let streams = 0;
  tunnels.onStream = (stream) => {
    streams += 1;
    stream.refuse(401, { "hawser-reason": "not your pod" });
  };
  const response = await fetch(world.url);
  t.is(response.status, 502);
  t.is(response.headers.get("hawser-reason"), "refused");
  t.regex(await response.text(), /not your pod/);
  t.is(streams, 1);
});

test("a stream that is reset while it waits is not used; while it answers, the client is reset", async (t) => {
  const { tunnels, world } = await worlds(t);
  const servers: FarServer[] = [];
  tunnels.onStream = (stream) => servers.push(new FarServer(stream, servers.length !== 1));
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(GET);
  await eventually("it is answered", () => probe.text.endsWith("ok") && world.plane.upstreams.idleCount === 1);
  servers[0]?.stream?.reset(ErrorCode.cancel);
  await eventually("the idle one is gone", () => world.plane.upstreams.size === 0);
  client.write(GET);
  await eventually("it is asked", () => servers[1]?.text.endsWith("\r\n\r\n"));
  servers[1]?.stream?.write(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"));
  await eventually("a part has come", () => probe.text.endsWith("part"));
  servers[1]?.stream?.reset(ErrorCode.cancel);
  await probe.saw("error ECONNRESET");
  await world.settle();
  t.deepEqual(world.requests(), { "2xx answered": 1, "2xx answer-cut-short": 1 });
});

test("a client that leaves resets the stream", async (t) => {
  const { tunnels, world } = await worlds(t);
  const servers: FarServer[] = [];
  tunnels.onStream = (stream) => servers.push(new FarServer(stream, false));
  const client = await world.connect();
  client.write(GET);
  await eventually("it is asked", () => servers[0]?.text.endsWith("\r\n\r\n"));
  client.destroy();
  await eventually("the far end knows", () => servers[0]?.isReset);
  await world.settle();
  t.deepEqual(world.requests(), { "none client-gone": 1 });
});
