/** Retries and their limits, with a real pod socket, real balancing, and fake tunnels. */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import test from "ava";
import { limits, timers } from "../../../agent/limits.ts";
import type { DialOptions } from "../../../agent/sockets/dial.ts";
import { ErrorCode } from "../../../agent/tunnel/engine.ts";
import { TunnelError } from "../../../agent/tunnel/tunnel-error.ts";
import { PoolError } from "../../../agent/tunnel/tunnel-pool.ts";
import type { Candidate } from "../../../routing/decide-connection.ts";
import { candidate, candidatesWithWeights } from "../../support/candidates.ts";
import { eventually } from "../../support/eventually.ts";
import { FakeTunnel } from "../../support/fake-stream.ts";
import { NO_EJECTION, OutboundWorld } from "../../support/outbound-world.ts";
import { dialRaw } from "../../support/socket-pair.ts";

const two = { candidates: candidatesWithWeights([100, 100]) };
const unreachable = () => new TunnelError("tcp-connect-failed", "no agent there");

test("opens a stream, tells who the source is, and carries bytes", async (t) => {
  const world = await OutboundWorld.create(two);
  world.start();
  t.is(world.acquisitions[0]?.target.sourceIdentity, "spiffe://cluster.local/ns/shop/sa/default");
  const stream = world.giveTunnel();
  t.regex(world.tunnel.requests[0]?.authority ?? "", /^10\.244\.2\.[12]:8080$/);
  t.is(world.tunnel.requests[0]?.headers["forwarded"], 'for="10.244.1.2:4711"');
  stream.handler.onResponse(200, undefined);
  world.pod.write("ping");
  await world.written("ping");
  stream.handler.onData(Buffer.from("pong"));
  stream.handler.onEnd();
  world.pod.end();
  const line = await world.closed();
  await world.probe.saw("end");
  t.is(world.probe.text, "pong");
  t.like(line, { reason: "closed", path: "tunnel", bytesSent: 4, bytesReceived: 4 });
  t.like(world.counters(), { "dials ok": 1 });
  t.is(world.connections.size, 0);
  t.is(world.clock.pendingTimers, 0);
});

test("tries another endpoint after 503, with everything that came so far", async (t) => {
  const world = await OutboundWorld.create(two);
  world.start();
  world.pod.write("request");
  const first = world.giveTunnel();
  await world.written("request");
  first.handler.onResponse(503, "connection refused");
  t.deepEqual(first.calls, ["reset 8"]);
  world.pod.write(" goes on");
  world.pod.end();
  await eventually("it is read", () => world.agent.readableEnded);
  const second = world.giveTunnel();
  t.not(world.acquisitions[1]?.target.address, world.acquisitions[0]?.target.address);
  t.is(second.text, "request goes on");
  await eventually("the end too", () => second.calls.includes("end"));
  second.handler.onResponse(200, undefined);
  second.handler.onEnd();
  t.like(await world.closed(), { reason: "closed", bytesSent: 15 });
  t.like(world.counters(), { "dials refused": 1, "dials ok": 1, retries: 1 });
  t.is(first.text, "request");
});

test("tries another endpoint when there is no tunnel to the first", async (t) => {
  const world = await OutboundWorld.create(two);
  world.start();
  world.pod.write("request");
  world.acquisitions[0]?.answer(unreachable());
  t.is(world.acquisitions.length, 2);
  world.giveTunnel().handler.onResponse(200, undefined);
  await world.written("request");
  t.like(world.counters(), { "dials failed": 1, "dials ok": 1, retries: 1 });
  world.pod.destroy();
});

for (const status of [400, 401, 403, 500]) {
  test(`does not try again after ${status}: the pod is reset`, async (t) => {
    const world = await OutboundWorld.create(two);
    world.start();
    const stream = world.giveTunnel();
    stream.handler.onResponse(status, "not your pod");
    const line = await world.closed();
    t.like(line, { reason: "refused", path: "tunnel" });
    t.regex(String(line["detail"]), new RegExp(`refused with ${status}: not your pod`));
    await world.probe.saw("error ECONNRESET");
    t.is(world.acquisitions.length, 1);
    t.deepEqual(stream.calls, ["reset 8"]);
    t.is(world.clock.pendingTimers, 0);
  });
}

test("does not try again when the stream is lost after data was sent: it may have been delivered", async (t) => {
  const world = await OutboundWorld.create(two);
  world.start();
  const stream = world.giveTunnel();
  world.pod.write("pay 100");
  await world.written("pay 100");
  stream.handler.onReset(ErrorCode.cancel, "tunnel lost");
  const line = await world.closed();
  t.is(line["reason"], "refused");
  t.regex(String(line["detail"]), /may have been delivered/);
  t.is(world.acquisitions.length, 1);
  await world.probe.saw("error ECONNRESET");
});

test("tries again when the stream is lost before any data was sent", async (t) => {
  const world = await OutboundWorld.create(two);
  world.start();
  world.giveTunnel().handler.onReset(ErrorCode.cancel, "tunnel lost");
  t.is(world.acquisitions.length, 2);
  world.giveTunnel().handler.onResponse(200, undefined);
  world.pod.write("later");
  await world.written("later");
  world.pod.destroy();
});

test("tries the same endpoint again after REFUSED_STREAM, even with data sent", async (t) => {
  const world = await OutboundWorld.create({ candidates: [candidate("only")] });
  world.start();
  const first = world.giveTunnel();
  world.pod.write("request");
  await world.written("request");
  first.handler.onReset(ErrorCode.refusedStream, "GOAWAY");
  t.is(world.acquisitions.length, 2);
  const second = world.giveTunnel();
  t.is(second.text, "request");
  second.handler.onResponse(200, undefined);
  world.pod.resetAndDestroy();
  await world.closed();
});

test("attempts are bounded, also those that are refused", async (t) => {
  const world = await OutboundWorld.create({ candidates: [candidate("only")] });
  world.start();
  for (let attempt = 1; attempt <= limits.connectAttempts; attempt += 1) {
    t.is(world.acquisitions.length, attempt);
    world.giveTunnel().handler.onReset(ErrorCode.refusedStream, "GOAWAY");
  }
  t.is((await world.closed())["reason"], "connect-failed");
  t.is(world.acquisitions.length, limits.connectAttempts);
  await world.probe.saw("error ECONNRESET");
  t.is(world.clock.pendingTimers, 0);
});

test("attempts are bounded when every endpoint fails", async (t) => {
  const world = await OutboundWorld.create({ candidates: candidatesWithWeights([100, 100, 100, 100, 100]) });
  world.start();
  for (let attempt = 1; attempt <= limits.connectAttempts; attempt += 1)
    world.acquisitions.at(-1)?.answer(unreachable());
  const line = await world.closed();
  t.like(line, { reason: "connect-failed", detail: "no agent there" });
  t.is(new Set(world.acquisitions.map(({ target }) => target.address)).size, limits.connectAttempts);
});

test("an only endpoint is not tried twice after a failure", async (t) => {
  const world = await OutboundWorld.create({ candidates: [candidate("only")] });
  world.start();
  world.acquisitions[0]?.answer(unreachable());
  t.is((await world.closed())["reason"], "connect-failed");
  t.is(world.acquisitions.length, 1);
});

test("a further try is for the endpoints that there are by then", async (t) => {
  const world = await OutboundWorld.create({ candidates: [candidate("gone")], laterCandidates: [candidate("new")] });
  world.start();
  world.giveTunnel();
  world.clock.advance(timers.connectAnswerMs);
  t.is(world.acquisitions.length, 2);
  const stream = world.giveTunnel();
  stream.handler.onResponse(200, undefined);
  stream.handler.onEnd();
  world.pod.end();
  t.like((await world.closed())["destination"], { pod: "new" });
});

test("no answer in time: another endpoint, when nothing was sent", async (t) => {
  const world = await OutboundWorld.create(two);
  world.start();
  const first = world.giveTunnel();
  world.clock.advance(timers.connectAnswerMs);
  t.deepEqual(first.calls, ["reset 8"]);
  t.is(world.acquisitions.length, 2);
  t.like(world.counters(), { "dials timeout": 1, retries: 1 });
  world.giveTunnel().handler.onResponse(200, undefined);
  world.clock.advance(2 * timers.connectAnswerMs);
  t.is(world.connections.size, 1);
  world.pod.destroy();
});

test("no answer in time after data was sent: the pod is reset, the endpoint is blamed", async (t) => {
  const ejection = { ...NO_EJECTION, consecutiveFailures: 1 };
  const world = await OutboundWorld.create({ ...two, ejection });
  world.start();
  world.pod.write("pay 100");
  const first = world.giveTunnel();
  await world.written("pay 100");
  world.clock.advance(timers.connectAnswerMs);
  t.deepEqual(first.calls, ["reset 8"]);
  t.is(world.acquisitions.length, 1);
  t.regex(String((await world.closed())["detail"]), /may be delivered yet/);
  const request = { destination: "10.96.0.1:80", ...two, algorithm: "round-robin" as const, ejection };
  const failedAddress = world.acquisitions[0]?.target.address;
  const picks = Array.from({ length: 4 }, () => world.balancers.pick({ ...request, sourceAddress: "10.244.1.2" }));
  t.false(picks.some((pick) => pick?.candidate.address === failedAddress));
});

test("no tunnel in time: the request for it is withdrawn", async (t) => {
  const world = await OutboundWorld.create(two);
  world.start();
  world.pod.write("request");
  world.clock.advance(timers.connectAnswerMs);
  t.true(world.acquisitions[0]?.withdrawn);
  t.is(world.acquisitions.length, 2);
  // A tunnel that comes too late is not used.
  world.acquisitions[0]?.answer(world.tunnel);
  t.is(world.tunnel.streams.length, 0);
  world.pod.destroy();
});

test("the pod's reset while a tunnel is awaited ends everything", async (t) => {
  const world = await OutboundWorld.create(two);
  world.start();
  world.pod.resetAndDestroy();
  t.is((await world.closed())["reason"], "reset-by-pod");
  t.true(world.acquisitions[0]?.withdrawn);
  world.acquisitions[0]?.answer(world.tunnel);
  t.is(world.tunnel.streams.length, 0);
  t.is(world.connections.size, 0);
  t.is(world.clock.pendingTimers, 0);
});

test("the pod's reset while the second tunnel is awaited withdraws that request", async (t) => {
  let answers = 0;
  // The first request is answered at once, inside `acquire`.
  const atOnce = () => (answers++ === 0 ? unreachable() : undefined);
  const world = await OutboundWorld.create({ ...two, atOnce });
  world.start();
  t.is(world.acquisitions.length, 2);
  world.pod.resetAndDestroy();
  await world.closed();
  t.true(world.acquisitions[1]?.withdrawn);
});

test("the pod's reset while the answer is awaited resets the stream", async (t) => {
  const world = await OutboundWorld.create(two);
  world.start();
  const stream = world.giveTunnel();
  world.pod.resetAndDestroy();
  t.is((await world.closed())["reason"], "reset-by-pod");
  t.deepEqual(stream.calls, ["reset 8"]);
  t.is(world.acquisitions.length, 1);
  t.is(world.clock.pendingTimers, 0);
});

test("a pod that ends before there is a stream still gets its answer", async (t) => {
  const world = await OutboundWorld.create(two);
  world.start();
  world.pod.end("question");
  await eventually("it is read", () => world.agent.readableEnded);
  const stream = world.giveTunnel();
  t.deepEqual([stream.text, stream.calls], ["question", ["end"]]);
  stream.handler.onResponse(200, undefined);
  stream.handler.onData(Buffer.from("answer"));
  stream.handler.onEnd();
  t.is((await world.closed())["reason"], "closed");
  await world.probe.saw("end");
  t.is(world.probe.text, "answer");
  t.is(world.probe.events[0], "end");
});

test("a refusal of the own pool does not count against the endpoint", async (t) => {
  const ejection = { ...NO_EJECTION, consecutiveFailures: 1 };
  const world = await OutboundWorld.create({ ...two, ejection });
  world.start();
  world.acquisitions[0]?.answer(new PoolError("no-certificate", "not yet"));
  world.acquisitions[1]?.answer(new PoolError("no-certificate", "not yet"));
  t.is((await world.closed())["reason"], "connect-failed");
  const request = { destination: "10.96.0.1:80", ...two, algorithm: "round-robin" as const, ejection };
  const picks = Array.from({ length: 2 }, () => world.balancers.pick({ ...request, sourceAddress: "10.244.1.2" }));
  t.is(new Set(picks.map((pick) => pick?.candidate.address)).size, 2);
});

test("a tunnel that takes no stream any more is a failure like others", async (t) => {
  const world = await OutboundWorld.create(two);
  world.start();
  const closed = new FakeTunnel();
  closed.openStream = () => {
    throw new TunnelError("tunnel-closed", "closing");
  };
  world.acquisitions[0]?.answer(closed);
  t.is(world.acquisitions.length, 2);
  world.pod.resetAndDestroy();
  await world.closed();
});

test("a plain endpoint: connect is the answer, FIN and RST go both ways", async (t) => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk) => socket.write(chunk));
    socket.on("end", () => socket.end());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const dial = () => dialRaw("127.0.0.1", port);
  const world = await OutboundWorld.create({ candidates: [{ ...candidate("plain"), transport: "plain" }], dial });
  world.pod.write("echo");
  world.start();
  await eventually("it comes back", () => world.probe.text === "echo");
  world.pod.end();
  await world.probe.saw("end");
  t.like(await world.closed(), { reason: "closed", path: "plain", bytesSent: 4, bytesReceived: 4 });
  server.close();
});

test("a pod sees its client; what is no pod, and the client itself, see the node", async (t) => {
  const dialled = async (one: Candidate): Promise<DialOptions> => {
    let options: DialOptions | undefined;
    const dial = (given: DialOptions): Socket => {
      options = given;
      throw new Error("enough");
    };
    const world = await OutboundWorld.create({ candidates: [one], dial });
    world.start();
    await world.closed();
    return options as DialOptions;
  };
  const pod: Candidate = { ...candidate("db-1"), transport: "plain" };
  t.deepEqual((await dialled(pod)).source, { address: "10.244.1.2", port: 4711 });
  t.is((await dialled({ ...pod, key: "198.51.100.7:8080", workload: undefined })).source, undefined);
  t.is((await dialled({ ...pod, address: "10.244.1.2", transport: "local" })).source, undefined);
});

test("a plain endpoint that refuses is followed by another, with everything that came", async (t) => {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  // Nobody listens on port 1.
  const ports = [1, port];
  const dial = () => dialRaw("127.0.0.1", ports.shift() ?? port);
  const plain = two.candidates.map((each) => ({ ...each, transport: "plain" as const }));
  const world = await OutboundWorld.create({ candidates: plain, dial });
  world.pod.write("echo");
  world.start();
  await eventually("it comes back", () => world.probe.text === "echo");
  t.like(world.counters(), { "dials failed": 1, "dials ok": 1, retries: 1 });
  world.pod.destroy();
  await world.closed();
  server.close();
});

for (const [transport, redirected, speaksAsPod] of [
  ["plain", false, true],
  ["plain", true, true],
  ["local", false, true],
  // On a bridge the server would answer its neighbour directly, past this host.
  ["local", true, false],
] as const) {
  const where = redirected ? "redirected" : "not redirected";
  test(`a ${transport} endpoint, ${where}, sees ${speaksAsPod ? "the pod" : "the host"} as its client`, async (t) => {
    const dials: DialOptions[] = [];
    const world = await OutboundWorld.create({
      candidates: [{ ...candidate("endpoint"), transport }],
      redirected,
      dial: (options) => {
        dials.push(options);
        throw new Error("Enough was seen");
      },
    });
    world.start();
    await world.closed();
    t.deepEqual(
      dials.map(({ source }) => source),
      [speaksAsPod ? { address: "10.244.1.2", port: 4711 } : undefined],
    );
  });
}

test("a plain endpoint that does not answer is given up with its socket", async (t) => {
  // Never connects: its name is never resolved.
  const hanging = connect({ host: "nowhere.invalid", port: 1, lookup: () => {} });
  const world = await OutboundWorld.create({
    candidates: [{ ...candidate("plain"), transport: "plain" }],
    dial: () => hanging,
  });
  world.pod.write("early");
  world.start();
  world.clock.advance(timers.connectAnswerMs);
  t.is((await world.closed())["reason"], "connect-failed");
  t.true(hanging.destroyed);
  t.like(world.counters(), { "dials timeout": 1 });
});
