/**
 * What a relay between a real TCP connection and a stream guarantees, whatever socket it has of the pod's connection; the test
 * plays the stream's far end.
 */
import { readdirSync } from "node:fs";
import test from "ava";
import { limits, timers } from "../../agent/limits.ts";
import { type CloseReason, Relay } from "../../agent/relay/relay.ts";
import { WriteCoalescer } from "../../agent/relay/write-coalescer.ts";
import type { PodSocket } from "../../agent/sockets/pod-socket.ts";
import { ErrorCode } from "../../agent/tunnel/engine.ts";
import { eventually } from "./eventually.ts";
import { FakeStream } from "./fake-stream.ts";
import { PodProbe, type SocketPair } from "./socket-pair.ts";

interface Setup extends SocketPair<PodSocket> {
  readonly relay: Relay;
  readonly responses: string[];
  readonly lost: string[];
  readonly closed: { reason: CloseReason; detail: string | undefined }[];
  readonly counters: { sentBytes: number; receivedBytes: number };
}

export function relayContract(socketPair: () => Promise<SocketPair<PodSocket>>): void {
  async function setUp(podIsSource = true): Promise<Setup> {
    const pair = await socketPair();
    const responses: string[] = [];
    const lost: string[] = [];
    const closed: Setup["closed"] = [];
    const relay = new Relay({
      socket: pair.agent,
      writes: new WriteCoalescer(),
      podIsSource,
      onResponse: (status) => responses.push(String(status)),
      onStreamLost: (code) => lost.push(String(code)),
      onClosed: (reason, detail) => closed.push({ reason, detail }),
    });
    relay.start(0);
    return { ...pair, relay, responses, lost, closed, counters: { sentBytes: 0, receivedBytes: 0 } };
  }

  /** A relay whose far end has accepted. */
  async function setUpEstablished(podIsSource = true): Promise<Setup & { stream: FakeStream }> {
    const setup = await setUp(podIsSource);
    const stream = new FakeStream(setup.relay);
    setup.relay.attach(stream);
    setup.relay.established(setup.counters);
    return { ...setup, stream };
  }

  test("carries bytes and ends both ways, then closes cleanly", async (t) => {
    const { pod, stream, closed, counters } = await setUpEstablished();
    const probe = new PodProbe(pod);
    pod.write("ping");
    await eventually("ping", () => stream.text === "ping");
    stream.handler.onData(Buffer.from("po"));
    stream.handler.onData(Buffer.from("ng"));
    pod.end();
    await eventually("END_STREAM", () => stream.calls.includes("end"));
    t.is(closed.length, 0);
    stream.handler.onEnd();
    await probe.saw("close");
    t.is(probe.text, "pong");
    t.deepEqual(probe.events, ["end", "close"]);
    await eventually("closed", () => closed.length > 0);
    t.deepEqual(closed, [{ reason: "closed", detail: undefined }]);
    t.deepEqual(stream.calls, ["end"]);
    t.deepEqual(counters, { sentBytes: 4, receivedBytes: 4 });
  });

  test("the far end may end first, and the pod goes on", async (t) => {
    const { pod, stream, closed } = await setUpEstablished();
    const probe = new PodProbe(pod);
    stream.handler.onData(Buffer.from("all"));
    stream.handler.onEnd();
    await probe.saw("end");
    t.is(probe.text, "all");
    pod.write("still talking");
    await eventually("it arrives", () => stream.text === "still talking");
    t.deepEqual(stream.calls, []);
    pod.end();
    await eventually("closed", () => closed.length > 0);
    t.deepEqual([closed[0]?.reason, stream.calls], ["closed", ["end"]]);
  });

  test("an end right behind data in one loop turn loses nothing", async (t) => {
    const { pod, stream } = await setUpEstablished();
    const probe = new PodProbe(pod);
    const bytes = 3_000_000;
    for (let left = bytes; left > 0; left -= 100_000) stream.handler.onData(Buffer.alloc(100_000));
    stream.handler.onEnd();
    await probe.saw("end");
    t.is(probe.bytes, bytes);
    pod.destroy();
  });

  test("an end right behind data loses nothing when the pod has ended before", async (t) => {
    const { pod, stream, closed } = await setUpEstablished();
    const probe = new PodProbe(pod);
    pod.end();
    await eventually("END_STREAM", () => stream.calls.includes("end"));
    const bytes = 3_000_000;
    for (let left = bytes; left > 0; left -= 100_000) stream.handler.onData(Buffer.alloc(100_000));
    stream.handler.onEnd();
    await probe.saw("close");
    t.is(probe.bytes, bytes);
    t.deepEqual(probe.events, ["end", "close"]);
    await eventually("closed", () => closed.length > 0);
    t.deepEqual(closed, [{ reason: "closed", detail: undefined }]);
  });

  test("the pod's reset becomes RST_STREAM(CANCEL), never an end", async (t) => {
    const { pod, stream, closed } = await setUpEstablished();
    pod.write("half a request");
    await eventually("it arrives", () => stream.text !== "");
    pod.resetAndDestroy();
    await eventually("closed", () => closed.length > 0);
    t.deepEqual(stream.calls, ["reset 8"]);
    t.is(closed[0]?.reason, "reset-by-pod");
  });

  test("the far end's reset becomes a reset of the pod's connection, never an end", async (t) => {
    const { pod, stream, closed } = await setUpEstablished();
    const probe = new PodProbe(pod);
    stream.handler.onData(Buffer.from("half an answer"));
    await eventually("it arrives", () => probe.text !== "");
    stream.handler.onReset(ErrorCode.cancel, "stream reset by peer");
    await probe.saw("close");
    t.deepEqual(probe.events, ["error ECONNRESET", "close"]);
    t.is(closed[0]?.reason, "reset-by-peer");
    t.deepEqual(stream.calls, []);
  });

  test("a reset of a pod that does not read releases the socket at once", async (t) => {
    const { agent, pod, stream, closed } = await setUpEstablished();
    pod.pause();
    for (let count = 0; count < 200; count += 1) stream.handler.onData(Buffer.alloc(100_000));
    await eventually("it piles up", () => agent.writableLength > limits.socketBufferBytes);
    stream.handler.onReset(ErrorCode.cancel, "stream reset by peer");
    await eventually("closed", () => closed.length > 0);
    t.true(agent.destroyed);
    pod.resume();
  });

  test("a reset after the far end's end still lets the pod have what came before", async (t) => {
    const { agent, pod, stream, closed } = await setUpEstablished();
    const bytes = 20_000_000;
    pod.pause();
    for (let left = bytes; left > 0; left -= 100_000) stream.handler.onData(Buffer.alloc(100_000));
    stream.handler.onEnd();
    stream.handler.onReset(ErrorCode.cancel, "stream reset by peer");
    t.true(agent.writableLength > 0);
    const probe = new PodProbe(pod);
    await probe.saw("end");
    t.is(probe.bytes, bytes);
    await eventually("closed", () => closed.length > 0);
    t.is(closed[0]?.reason, "reset-by-peer");
    // What the pod sends now goes nowhere, and the kernel says so.
    pod.write("more");
    await eventually("it is told", () => {
      pod.write("and more");
      return probe.events.includes("close");
    });
    t.true(probe.events.some((event) => event.startsWith("error")));
  });

  test.serial("an end and a reset in one loop turn neither throw nor keep the descriptor", async (t) => {
    const before = openDescriptors();
    for (let round = 0; round < 10; round += 1) {
      const { pod, stream, relay, closed } = await setUpEstablished();
      pod.resume();
      stream.handler.onData(Buffer.from("x"));
      stream.handler.onEnd();
      relay.abort("drain-deadline");
      await eventually("closed", () => closed.length > 0);
      t.is(closed[0]?.reason, "drain-deadline");
      pod.destroy();
    }
    await eventually("descriptors are closed", () => openDescriptors() <= before + 2);
  });

  test("keeps what came before there is a stream, and sends it once there is one", async (t) => {
    const { pod, relay } = await setUp();
    pod.write("early ");
    await eventually("it is kept", () => relay.heldBytes === 6);
    const stream = new FakeStream(relay);
    relay.attach(stream);
    t.is(stream.text, "early ");
    pod.write("data");
    await eventually("it follows", () => stream.text === "early data");
    pod.destroy();
  });

  test("replays everything to another stream as long as the far end has not accepted", async (t) => {
    const { pod, relay, lost, responses } = await setUp();
    const first = new FakeStream(relay);
    relay.attach(first);
    pod.write("one ");
    await eventually("the first has it", () => first.text === "one ");
    first.handler.onReset(ErrorCode.refusedStream, "refused");
    t.deepEqual(lost, ["7"]);
    pod.write("two");
    pod.end();
    await eventually("it is kept", () => relay.heldBytes === 7);
    const second = new FakeStream(relay);
    await eventually("the end is known", () => pod.writableFinished);
    relay.attach(second);
    t.is(second.text, "one two");
    await eventually("the end follows", () => second.calls.includes("end"));
    second.handler.onResponse(200, undefined);
    t.deepEqual(responses, ["200"]);
    relay.established({ sentBytes: 0, receivedBytes: 0 });
    t.is(relay.heldBytes, 0);
    relay.abort("drain-deadline");
  });

  test("an end that came before the stream is passed on once", async (t) => {
    const { agent, pod, relay } = await setUp();
    pod.end("bye");
    await eventually("it was read", () => agent.readableEnded);
    const stream = new FakeStream(relay);
    relay.attach(stream);
    t.deepEqual([stream.text, stream.calls], ["bye", ["end"]]);
    relay.abort("connect-failed");
  });

  test("writes nothing to a stream that was given up", async (t) => {
    const { pod, relay } = await setUp();
    const stream = new FakeStream(relay);
    relay.attach(stream);
    stream.reset(ErrorCode.cancel);
    relay.detach();
    pod.write("later");
    pod.end();
    await eventually("it is kept", () => relay.heldBytes === 5);
    t.is(stream.text, "");
    t.deepEqual(stream.calls, ["reset 8"]);
    relay.abort("connect-failed");
  });

  test("stops reading at the bound on early data, and goes on once accepted", async (t) => {
    const { agent, pod, relay, counters } = await setUp();
    const bytes = 4_000_000;
    const stream = new FakeStream(relay);
    pod.write(Buffer.alloc(bytes));
    await eventually("it stops", () => agent.isPaused());
    t.true(relay.heldBytes >= limits.earlyDataBytes);
    t.true(relay.heldBytes <= limits.earlyDataBytes + 65_536);
    relay.attach(stream);
    // The stream took all and says so: that is no reason to read on.
    stream.handler.onDrain();
    t.true(agent.isPaused());
    relay.established(counters);
    await eventually("all of it", () => stream.writtenBytes === bytes);
    t.is(counters.sentBytes, bytes);
    pod.destroy();
  });

  test("goes on after a first stream was full, was lost, and the second was accepted", async (t) => {
    const { agent, pod, relay, counters } = await setUp();
    const bytes = 2_000_000;
    const first = new FakeStream(relay);
    first.highWaterMark = 1;
    relay.attach(first);
    pod.write(Buffer.alloc(bytes));
    await eventually("it stops", () => agent.isPaused());
    first.handler.onReset(ErrorCode.refusedStream, "refused");
    const second = new FakeStream(relay);
    relay.attach(second);
    relay.established(counters);
    await eventually("all of it", () => second.writtenBytes === bytes);
    t.pass();
    pod.destroy();
  });

  test("stops reading the pod while the stream is full, and goes on when it has drained", async (t) => {
    const { agent, pod, stream } = await setUpEstablished();
    const bytes = 4_000_000;
    stream.highWaterMark = 65_536;
    pod.write(Buffer.alloc(bytes));
    await eventually("it stops", () => agent.isPaused());
    t.true(stream.queuedBytes > limits.streamBufferBytes);
    t.true(stream.queuedBytes <= limits.streamBufferBytes + 2 * 65_536);
    await eventually("all of it", () => {
      if (stream.queuedBytes > 0) stream.flush();
      return stream.writtenBytes === bytes;
    });
    pod.destroy();
  });

  test("stops the stream while the pod does not read, and goes on when it does", async (t) => {
    const { agent, pod, stream, relay } = await setUpEstablished();
    pod.pause();
    let written = 0;
    // The relay has to be through with a chunk when `onData` returns.
    const lent = Buffer.alloc(50_000);
    await eventually("it stops the stream", () => {
      for (let count = 0; count < 20 && !stream.calls.includes("pause"); count += 1) {
        stream.handler.onData(lent.fill(1 + (written % 251)));
        lent.fill(0);
        written += 50_000;
      }
      return stream.calls.includes("pause");
    });
    t.true(agent.writableLength <= limits.socketBufferBytes + 50_000);
    t.true(relay.heldBytes > 0);
    const probe = new PodProbe(pod);
    await eventually("it resumes the stream", () => stream.calls.includes("resume"));
    t.deepEqual(stream.calls, ["pause", "resume"]);
    await eventually("all of it", () => probe.bytes === written);
    t.true(probe.received.every((byte, at) => byte === 1 + ((at - (at % 50_000)) % 251)));
    t.is(relay.heldBytes, 0);
    pod.destroy();
  });

  test("counts sent and received from the source's point of view", async (t) => {
    const { pod, stream, counters, relay } = await setUpEstablished(false);
    stream.handler.onData(Buffer.from("request"));
    pod.write("answer!!");
    await eventually("both", () => relay.sentBytes + relay.receivedBytes === 15);
    t.deepEqual(counters, { sentBytes: 7, receivedBytes: 8 });
    relay.abort("drain-deadline");
  });

  test("early bytes are counted once, in the shared totals from `established` on", async (t) => {
    const { pod, relay } = await setUp();
    const totals = { sentBytes: 100, receivedBytes: 0 };
    const stream = new FakeStream(relay);
    relay.attach(stream);
    pod.write("early");
    await eventually("it is there", () => stream.text === "early");
    t.true(relay.sentAnything);
    relay.established(totals);
    pod.write(" late");
    await eventually("the rest", () => stream.text === "early late");
    t.deepEqual([relay.sentBytes, totals.sentBytes], [10, 110]);
    pod.destroy();
  });

  test("a connection without traffic is reset after the idle timer, one with traffic is not", async (t) => {
    const { pod, stream, relay, closed } = await setUpEstablished();
    const probe = new PodProbe(pod);
    relay.sweep(timers.idleConnectionMs);
    stream.handler.onData(Buffer.from("x"));
    relay.sweep(timers.idleConnectionMs + 1);
    relay.sweep(2 * timers.idleConnectionMs);
    t.deepEqual(stream.calls, []);
    relay.sweep(2 * timers.idleConnectionMs + 2);
    t.deepEqual(stream.calls, ["reset 8"]);
    await probe.saw("close");
    await eventually("closed", () => closed.length > 0);
    t.is(closed[0]?.reason, "idle-timeout");
    t.true(probe.events.includes("error ECONNRESET"));
  });

  for (const side of ["pod", "stream"] as const) {
    test(`a connection that the ${side} has half-closed has the shorter timer`, async (t) => {
      const { agent, pod, stream, relay, closed } = await setUpEstablished();
      pod.resume();
      if (side === "stream") stream.handler.onEnd();
      else {
        pod.end();
        await eventually("the end", () => agent.readableEnded);
      }
      relay.sweep(timers.halfClosedMs);
      t.false(stream.isReset);
      relay.sweep(timers.halfClosedMs + 1);
      t.true(stream.isReset);
      await eventually("closed", () => closed.length > 0);
      t.is(closed[0]?.reason, "half-closed-timeout");
    });
  }

  test("abort resets both sides once, and reports once", async (t) => {
    const { pod, stream, relay, closed } = await setUpEstablished();
    const probe = new PodProbe(pod);
    relay.abort("drain-deadline", "the agent stops");
    relay.abort("idle-timeout");
    await probe.saw("close");
    t.deepEqual(probe.events, ["error ECONNRESET", "close"]);
    t.deepEqual(stream.calls, ["reset 8"]);
    t.deepEqual(closed, [{ reason: "drain-deadline", detail: "the agent stops" }]);
    relay.abort("idle-timeout");
    t.is(closed.length, 1);
  });

  test("the pod's reset while there is no stream is reported", async (t) => {
    const { pod, closed } = await setUp();
    pod.resetAndDestroy();
    await eventually("closed", () => closed.length > 0);
    t.is(closed[0]?.reason, "reset-by-pod");
  });

  test.after("no relay makes Node warn", (t) => {
    t.deepEqual(warnings, []);
  });
}

const warnings: string[] = [];
process.on("warning", (warning) => warnings.push(warning.message));

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
