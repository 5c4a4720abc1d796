/** What a connection does with every kind of peer, seen on the wire; no TLS, no network. */
import { duplexPair } from "node:stream";
import test from "ava";
import fc from "fast-check";
import { framingLimits } from "../../../../../agent/tunnel/framing/limits.ts";
import { limits } from "../../../../../agent/limits.ts";
import { eventually } from "../../../../support/eventually.ts";
import { ConnectionUnderTest, RawPeer } from "../../../../support/framing-pair.ts";
import { StreamProbe } from "../../../../support/stream-probe.ts";
import {
  block,
  CLIENT_PREFACE,
  connectFrame,
  EMPTY_SETTINGS,
  frame,
  setting,
  uint32,
} from "../../../../support/wire-frames.ts";

const REQUEST = { authority: "10.0.0.1:80", headers: {} };
const OK = block({ ":status": "200" });

test("a server begins with SETTINGS and its window, and acknowledges the client's", async (t) => {
  const peer = RawPeer.greeted("server");
  await eventually("three frames", () => peer.frames.length >= 3);
  t.deepEqual(
    peer.frames.map(({ type, flags }) => [type, flags]),
    [
      [4, 0],
      [8, 0],
      [4, 1],
    ],
  );
  t.is(peer.frames[1]?.payload.readUInt32BE(0), limits.tunnelWindowBytes - 65_535);
});

test("carries a stream: request, early data, answer, data, both ends", async (t) => {
  const peer = RawPeer.greeted("server");
  peer.send(connectFrame(1), frame(0, 0, 1, "early"));
  const { stream, request } = await eventually("the request", () => peer.requests[0]);
  t.is(request.authority, "10.0.0.1:80");
  await peer.settled();
  t.is(stream.unreadBytes, 5);
  const probe = new StreamProbe();
  stream.accept({}, probe);
  t.is(probe.text, "");
  await eventually("early data", () => probe.text === "early");
  stream.write(Buffer.from("answer"));
  stream.end();
  peer.send(frame(0, 1, 1));
  await probe.saw("end");
  await eventually("the answer", () => peer.dataOf(1).toString() === "answer");
  t.is(peer.frames.filter(({ type, streamId }) => type === 0 && streamId === 1).at(-1)?.flags, 1);
  t.is(peer.connection.openStreams, 0);
});

test("what is written in one turn leaves as one frame of each stream, with its end", async (t) => {
  const peer = RawPeer.greeted("client");
  await eventually("SETTINGS", () => peer.frames.some(({ flags }) => flags === 1));
  const streams = [1, 3].map(() => peer.connection.openStream(REQUEST, new StreamProbe()));
  for (const text of ["a", "b", "c"]) for (const stream of streams) stream.write(Buffer.from(text));
  for (const stream of streams) stream.end();
  await eventually("both ends", () => peer.frames.filter(({ type }) => type === 0).length === 2);
  t.deepEqual(
    peer.frames
      .filter(({ type }) => type === 0)
      .map(({ streamId, flags, payload }) => `${streamId} ${flags} ${payload.toString()}`),
    ["1 1 abc", "3 1 abc"],
  );
});

// Flow control.

test("what is only lent leaves in order with what is taken; its source is stopped, and told to go on", async (t) => {
  const peer = RawPeer.greeted("server", frame(4, 0, 0, setting(5, 65_536)));
  peer.send(connectFrame(1));
  const { stream } = await eventually("the request", () => peer.requests[0]);
  const probe = new StreamProbe();
  stream.accept({}, probe);
  const lent = Buffer.alloc(40_000);
  const put: Buffer[] = [];
  const goesOn = [1, 2, 3].map((value) => {
    put.push(Buffer.from(lent.fill(value)), Buffer.from([10 + value]));
    const result = stream.writeLent(lent);
    lent.fill(0);
    stream.write(Buffer.from([10 + value]));
    return result;
  });
  // The window takes the first one and the most of the second.
  t.deepEqual(goesOn, [true, true, false]);
  await eventually("the window is used up", () => peer.dataOf(1).length === 65_535);
  peer.send(frame(8, 0, 0, uint32(1_000_000)), frame(8, 0, 1, uint32(1_000_000)));
  await eventually("all of it", () => peer.dataOf(1).length === 120_003);
  t.true(peer.dataOf(1).equals(Buffer.concat(put)));
  await eventually("it may go on", () => probe.drains > 0);
  t.true(stream.writeLent(lent));
});

test("sends no more than the stream's window, and follows its changes", async (t) => {
  const peer = RawPeer.greeted("server", frame(4, 0, 0, setting(4, 10)));
  peer.send(connectFrame(1));
  const { stream } = await eventually("the request", () => peer.requests[0]);
  stream.accept({}, new StreamProbe());
  stream.write(Buffer.from("0123456789abcdefghij"));
  stream.end();
  await peer.settled();
  t.is(peer.dataOf(1).toString(), "0123456789");
  // A smaller window makes what is left negative: credit first fills that up (RFC 9113 section 6.9.2).
  peer.send(frame(4, 0, 0, setting(4, 5)), frame(8, 0, 1, uint32(5)));
  await peer.settled();
  t.is(peer.dataOf(1).length, 10);
  peer.send(frame(8, 0, 1, uint32(3)));
  await eventually("three more", () => peer.dataOf(1).length === 13);
  peer.send(frame(4, 0, 0, setting(4, 100)));
  await eventually("the rest", () => peer.dataOf(1).toString() === "0123456789abcdefghij");
  t.is(peer.connection.openStreams, 1);
});

test("sends no more than the connection's window, whatever the streams'", async (t) => {
  const peer = RawPeer.greeted("server", frame(4, 0, 0, Buffer.concat([setting(4, 1_000_000), setting(5, 100_000)])));
  peer.send(connectFrame(1), connectFrame(3));
  await eventually("the requests", () => peer.requests.length === 2);
  const sent = () => peer.dataOf(1).length + peer.dataOf(3).length;
  for (const { stream } of peer.requests) {
    stream.accept({}, new StreamProbe());
    stream.write(Buffer.alloc(60_000));
  }
  await eventually("a window", () => sent() === 65_535);
  await peer.settled();
  t.is(sent(), 65_535);
  peer.send(frame(8, 0, 0, uint32(1_000_000)));
  await eventually("the rest", () => sent() === 120_000);
});

test("frames are as large as the peer allows", async (t) => {
  for (const [maxBytes, expected] of [
    [16_384, 16_384],
    [1 << 20, framingLimits.dataFrameBytes],
  ] as const) {
    const peer = RawPeer.greeted("server", frame(4, 0, 0, Buffer.concat([setting(4, 1 << 20), setting(5, maxBytes)])));
    peer.send(frame(8, 0, 0, uint32(1 << 20)), connectFrame(1));
    const { stream } = await eventually("the request", () => peer.requests[0]);
    stream.accept({}, new StreamProbe());
    stream.write(Buffer.alloc(200_000));
    await eventually("all", () => peer.dataOf(1).length === 200_000);
    const lengths = peer.frames.filter(({ type }) => type === 0).map(({ payload }) => payload.length);
    t.is(Math.max(...lengths), expected);
  }
});

test("gives credit for a stream as it is read, and for the connection as it comes", async (t) => {
  const peer = RawPeer.greeted("server");
  peer.send(connectFrame(1));
  const { stream } = await eventually("the request", () => peer.requests[0]);
  const probe = new StreamProbe({ keep: false });
  stream.accept({}, probe);
  stream.pause();
  const credits = (streamId: number): number[] =>
    peer.frames
      .filter((each) => each.type === 8 && each.streamId === streamId)
      .map(({ payload }) => payload.readUInt32BE(0));
  const half = limits.streamWindowBytes / 2;
  const chunk = frame(0, 0, 1, Buffer.alloc(16_384));
  for (let sent = 0; sent < half; sent += 16_384) peer.send(chunk);
  await peer.settled();
  t.is(stream.unreadBytes, half);
  t.deepEqual(credits(1), []);
  stream.resume();
  await eventually("credit", () => credits(1).length === 1);
  t.deepEqual(credits(1), [half]);
  for (let sent = half; sent < limits.tunnelWindowBytes / 2; sent += 16_384) peer.send(chunk);
  await eventually("credit of the connection", () => credits(0).length === 2);
  t.is(credits(0)[1], limits.tunnelWindowBytes / 2);
});

test("padding counts against the windows, and is given back", async (t) => {
  const peer = RawPeer.greeted("server");
  peer.send(connectFrame(1));
  const { stream } = await eventually("the request", () => peer.requests[0]);
  const probe = new StreamProbe();
  stream.accept({}, probe);
  const padded = frame(0, 8, 1, Buffer.concat([Buffer.from([255]), Buffer.from("x"), Buffer.alloc(255)]));
  const count = Math.ceil(limits.streamWindowBytes / 2 / 257);
  for (let index = 0; index < count; index += 1) peer.send(padded);
  const credit = await peer.receives(8, 1);
  t.true(credit.payload.readUInt32BE(0) >= limits.streamWindowBytes / 2);
  t.is(probe.text.length, count);
});

test("a stream that is sent more than its window is reset, the others go on", async (t) => {
  const peer = RawPeer.greeted("server");
  peer.send(connectFrame(1), connectFrame(3));
  await eventually("the requests", () => peer.requests.length === 2);
  const aborted = new Promise<void>((resolve) => peer.requests[0]?.stream.onAbort(resolve));
  for (let sent = 0; sent <= limits.streamWindowBytes; sent += 16_384) peer.send(frame(0, 0, 1, Buffer.alloc(16_384)));
  t.is(await peer.resetCode(1), 3);
  await aborted;
  t.is(peer.connection.openStreams, 1);
  t.is(peer.error, undefined);
});

// Opening and closing.

test("keeps to the peer's number of streams; the others wait, in order", async (t) => {
  const peer = RawPeer.greeted("client", frame(4, 0, 0, setting(3, 2)));
  await peer.settled();
  t.is(peer.connection.maxStreams, 2);
  const probes = [1, 2, 3, 4].map(() => new StreamProbe());
  const streams = probes.map((probe) => peer.connection.openStream(REQUEST, probe));
  for (const [index, stream] of streams.entries()) stream.write(Buffer.from(`${index}`));
  streams[3]?.end();
  await peer.settled();
  t.deepEqual(
    peer.frames.filter(({ type }) => type === 1).map(({ streamId }) => streamId),
    [1, 3],
  );
  t.is(peer.connection.openStreams, 4);
  streams[2]?.reset(8);
  streams[0]?.reset(8);
  await peer.receives(1, 5);
  await eventually("its data", () => peer.dataOf(5).toString() === "3");
  t.is(peer.frames.find(({ type, streamId }) => type === 0 && streamId === 5)?.flags, 1);
  t.is(peer.connection.openStreams, 2);
});

test("a stream that opens while another one's last frame is written sends each byte once", async (t) => {
  const peer = RawPeer.greeted("client", frame(4, 0, 0, Buffer.concat([setting(3, 1), setting(4, 1_000_000)])));
  peer.send(frame(8, 0, 0, uint32(1_000_000)));
  await peer.settled();
  const [first, waiting] = [1, 2].map(() => peer.connection.openStream(REQUEST, new StreamProbe()));
  // Alone not enough to be sent before the turn's end, both together are.
  const [last, early] = [Buffer.alloc(50_000, "last"), Buffer.alloc(50_000, "early")];
  waiting?.write(early);
  peer.send(frame(1, 5, 1, OK));
  await peer.settled();
  first?.write(Buffer.from(last));
  first?.end();
  await eventually("both", () => peer.dataOf(3).length >= early.length);
  await peer.settled();
  t.true(peer.dataOf(1).equals(last));
  t.true(peer.dataOf(3).equals(early));
});

test("GOAWAY refuses the streams that the peer did not see, and those that wait", async (t) => {
  const peer = RawPeer.greeted("client", frame(4, 0, 0, setting(3, 2)));
  await peer.settled();
  const probes = [1, 2, 3].map(() => new StreamProbe());
  for (const probe of probes) peer.connection.openStream(REQUEST, probe);
  peer.send(frame(7, 0, 0, uint32(1, 0)));
  await Promise.all(probes.slice(1).map((probe) => probe.saw("reset 7")));
  t.deepEqual(probes[0]?.events, []);
  t.is(peer.goaways, 1);
  t.is(peer.connection.openStreams, 1);
});

test("after our GOAWAY new streams are refused, and its last stream does not change", async (t) => {
  const peer = RawPeer.greeted("server");
  peer.send(connectFrame(1));
  await eventually("the request", () => peer.requests.length === 1);
  peer.connection.goaway(0);
  peer.send(connectFrame(3), frame(0, 0, 3, "data"));
  t.is(await peer.resetCode(3), 7);
  peer.connection.abandon(8, "test", true);
  await eventually("both", () => peer.frames.filter(({ type }) => type === 7).length === 2);
  t.deepEqual(
    peer.frames.filter(({ type }) => type === 7).map(({ payload }) => payload.readUInt32BE(0)),
    [1, 1],
  );
  t.is(peer.requests.length, 1);
  t.is(peer.error, undefined);
});

test("more streams than we allow are refused", async (t) => {
  const peer = RawPeer.greeted("server");
  for (let id = 1; id <= 2 * limits.streamsPerTunnel + 1; id += 2) peer.send(connectFrame(id));
  t.is(await peer.resetCode(2 * limits.streamsPerTunnel + 1), 7);
  t.is(peer.requests.length, limits.streamsPerTunnel);
  t.is(peer.connection.openStreams, limits.streamsPerTunnel);
});

test("answers PING, and knows the answer to its own", async (t) => {
  const peer = RawPeer.greeted("client");
  peer.connection.ping();
  const ping = await peer.receives(6);
  peer.send(frame(6, 1, 0, "87654321"), frame(6, 1, 0, ping.payload), frame(6, 0, 0, "12345678"));
  await eventually("the answer", () =>
    peer.frames.some(
      ({ type, flags, payload }) => type === 6 && flags === 1 && payload.equals(Buffer.from("12345678")),
    ),
  );
  t.is(peer.pongs, 1);
});

test("a header block may come in pieces, padded and with a priority", async (t) => {
  const peer = RawPeer.greeted("server");
  const bytes = block({ ":method": "CONNECT", ":authority": "10.0.0.1:80", forwarded: "for=a" });
  const [one, two, three] = [bytes.subarray(0, 5), bytes.subarray(5, 20), bytes.subarray(20)];
  const first = Buffer.concat([Buffer.from([3]), uint32(0), Buffer.from([7]), one, Buffer.alloc(3)]);
  peer.send(frame(1, 0x28, 1, first), frame(9, 0, 1, two), frame(9, 4, 1, three));
  const { request } = await eventually("the request", () => peer.requests[0]);
  t.is(request.headers["forwarded"], "for=a");
});

test("ignores frames of unknown types, PRIORITY, and interim answers; trailers end a stream", async (t) => {
  const peer = RawPeer.greeted("client");
  const probe = new StreamProbe();
  peer.connection.openStream(REQUEST, probe);
  await peer.receives(1, 1);
  peer.send(frame(99, 255, 1, "?"), frame(2, 0, 1, Buffer.alloc(5)), frame(1, 4, 1, block({ ":status": "103" })));
  peer.send(frame(1, 4, 1, OK), frame(0, 0, 1, "data"), frame(1, 5, 1, block({ trailer: "x" })));
  await probe.saw("end");
  t.deepEqual(probe.events, ["response 200", "end"]);
  t.is(probe.text, "data");
  t.is(peer.error, undefined);
});

// Peers that break the rules of a stream: that stream is reset.

const BROKEN_STREAMS: Readonly<Record<string, { readonly frames: readonly Buffer[]; readonly code: number }>> = {
  "a malformed request": { frames: [frame(1, 4, 1, block({ ":method": "CONNECT" }))], code: 1 },
  "a request with too many headers": {
    frames: [frame(1, 4, 1, block(Array.from({ length: 500 }, (_, index) => [`h${index}`, ""] as [string, string])))],
    code: 11,
  },
  "data after its end": { frames: [connectFrame(1), frame(0, 1, 1), frame(0, 0, 1, "x")], code: 5 },
  "a second request on a stream": { frames: [connectFrame(1), connectFrame(1)], code: 1 },
  "a credit of 0": { frames: [connectFrame(1), frame(8, 0, 1, uint32(0))], code: 1 },
  "more credit than there can be": { frames: [connectFrame(1), frame(8, 0, 1, uint32(2 ** 31 - 1))], code: 3 },
};

for (const [what, { frames, code }] of Object.entries(BROKEN_STREAMS)) {
  test(`resets a stream for ${what}, and serves the next`, async (t) => {
    const peer = RawPeer.greeted("server");
    peer.send(...frames);
    t.is(await peer.resetCode(1), code);
    peer.send(connectFrame(3));
    await eventually("the next", () => peer.requests.some(({ stream }) => stream.id === 3));
    t.is(peer.error, undefined);
    t.is(peer.connection.openStreams, 1);
  });
}

for (const [what, answer] of Object.entries({
  "no status": block({ x: "y" }),
  "an interim answer that ends": block({ ":status": "100" }),
})) {
  test(`a client resets a stream that is answered with ${what}`, async (t) => {
    const peer = RawPeer.greeted("client");
    const probe = new StreamProbe();
    peer.connection.openStream(REQUEST, probe);
    await peer.receives(1, 1);
    peer.send(frame(1, 5, 1, answer));
    await probe.saw("reset 1");
    t.is(await peer.resetCode(1), 1);
    t.deepEqual(probe.events, ["reset 1"]);
  });
}

test("a client resets a stream that sends data before its answer", async (t) => {
  const peer = RawPeer.greeted("client");
  const probe = new StreamProbe();
  peer.connection.openStream(REQUEST, probe);
  await peer.receives(1, 1);
  peer.send(frame(0, 0, 1, "x"));
  await probe.saw("reset 1");
  t.is(probe.receivedBytes, 0);
});

// Peers that break the rules of the connection: GOAWAY, with this code.

const BROKEN_CONNECTIONS: Readonly<Record<string, { readonly frames: readonly Buffer[]; readonly code: number }>> = {
  "data for the connection": { frames: [frame(0, 0, 0, "x")], code: 1 },
  "data for a stream that was not opened": { frames: [frame(0, 0, 5, "x")], code: 1 },
  "a reset of a stream that was not opened": { frames: [frame(3, 0, 5, uint32(8))], code: 1 },
  "credit for a stream that was not opened": { frames: [frame(8, 0, 5, uint32(8))], code: 1 },
  "a stream with an even number": { frames: [connectFrame(2)], code: 1 },
  PUSH_PROMISE: { frames: [frame(5, 4, 1, uint32(2))], code: 1 },
  "headers of the connection": { frames: [frame(1, 4, 0, OK)], code: 1 },
  "a frame within a header block": { frames: [frame(1, 0, 1), frame(6, 0, 0, "12345678")], code: 1 },
  "data within a header block": { frames: [connectFrame(1), frame(1, 0, 3), frame(0, 0, 1, "x")], code: 1 },
  "CONTINUATION of another stream": { frames: [frame(1, 0, 1), frame(9, 4, 3)], code: 1 },
  "CONTINUATION without HEADERS": { frames: [frame(9, 4, 1)], code: 1 },
  "a header block that does not end": {
    frames: [frame(1, 0, 1), ...Array.from({ length: 40 }, () => frame(9, 0, 1, "x"))],
    code: 11,
  },
  "a header block too large": {
    frames: [frame(1, 0, 1), frame(9, 0, 1, Buffer.alloc(15_000)), frame(9, 0, 1, Buffer.alloc(15_000))],
    code: 11,
  },
  "headers that cannot be decoded": { frames: [frame(1, 4, 1, Buffer.from([0x80]))], code: 9 },
  "HEADERS with too much padding": { frames: [frame(1, 0xc, 1, "\x05abc")], code: 1 },
  "SETTINGS of a stream": { frames: [frame(4, 0, 1)], code: 1 },
  "SETTINGS of an odd size": { frames: [frame(4, 0, 0, "12345")], code: 6 },
  "an answer to SETTINGS with a payload": { frames: [frame(4, 1, 0, setting(1, 1))], code: 6 },
  "an initial window too large": { frames: [frame(4, 0, 0, setting(4, 2 ** 31))], code: 3 },
  "an initial window that overflows a stream's": {
    frames: [connectFrame(1), frame(8, 0, 1, uint32(2 ** 31 - 1 - 65_535)), frame(4, 0, 0, setting(4, 65_536))],
    code: 3,
  },
  "a maximum frame too small": { frames: [frame(4, 0, 0, setting(5, 16_383))], code: 1 },
  "a maximum frame too large": { frames: [frame(4, 0, 0, setting(5, 2 ** 24))], code: 1 },
  "push neither on nor off": { frames: [frame(4, 0, 0, setting(2, 2))], code: 1 },
  "PING of a stream": { frames: [frame(6, 0, 1, "12345678")], code: 1 },
  "PING of a wrong size": { frames: [frame(6, 0, 0, "1234567")], code: 6 },
  "RST_STREAM of a wrong size": { frames: [connectFrame(1), frame(3, 0, 1, "12345")], code: 6 },
  "GOAWAY of a stream": { frames: [frame(7, 0, 1, uint32(0, 0))], code: 1 },
  "GOAWAY too short": { frames: [frame(7, 0, 0, uint32(0))], code: 6 },
  "a connection's credit of 0": { frames: [frame(8, 0, 0, uint32(0))], code: 1 },
  "a connection's credit that overflows": { frames: [frame(8, 0, 0, uint32(2 ** 31 - 1))], code: 3 },
  "a frame larger than allowed": { frames: [frame(0, 0, 1, Buffer.alloc(framingLimits.maxFrameBytes + 1))], code: 6 },
};

for (const [what, { frames, code }] of Object.entries(BROKEN_CONNECTIONS)) {
  test(`ends the connection for ${what}`, async (t) => {
    const peer = RawPeer.greeted("server");
    peer.send(...frames);
    t.is(await peer.goawayCode(), code);
    t.is(peer.connection.openStreams, 0);
    t.is(peer.error?.wireCode, code);
  });
}

test("ends the connection of a peer that does not begin with SETTINGS", async (t) => {
  for (const [role, first] of [
    ["server", Buffer.concat([CLIENT_PREFACE, connectFrame(1)])],
    ["client", frame(6, 0, 0, "12345678")],
    ["client", frame(0, 0, 1, "x")],
    ["client", frame(200, 0, 1, "x")],
  ] as const) {
    const peer = new RawPeer(role);
    peer.send(first);
    t.is(await peer.goawayCode(), 1);
  }
});

test("a client ends the connection of a server that opens streams, or allows itself to push", async (t) => {
  for (const wrong of [frame(1, 4, 2, OK), frame(5, 4, 1, uint32(2)), frame(4, 0, 0, setting(2, 1))]) {
    const peer = RawPeer.greeted("client");
    peer.send(wrong);
    t.is(await peer.goawayCode(), 1);
  }
});

test("a connection that ends loses its streams, with the code", async (t) => {
  const peer = RawPeer.greeted("client");
  const probe = new StreamProbe();
  const stream = peer.connection.openStream(REQUEST, probe);
  peer.send(frame(0, 0, 0, "x"));
  await probe.saw("reset 1");
  t.true(stream.write(Buffer.from("into the void")));
  t.is(stream.queuedBytes, 0);
  t.is(peer.error?.code, "protocol-error");
});

// Floods.

const FLOODS: Readonly<Record<string, readonly Buffer[]>> = {
  PING: [frame(6, 0, 0, "12345678")],
  "answers to PING": [frame(6, 1, 0, "12345678")],
  SETTINGS: [frame(4, 0, 0, setting(4, 100))],
  PRIORITY: [frame(2, 0, 1, Buffer.alloc(5))],
  "unknown frames": [frame(99, 0, 0)],
  "empty data": [frame(0, 0, 1)],
};

for (const [what, frames] of Object.entries(FLOODS)) {
  test(`ends a flood of ${what}, and takes as many slowly`, async (t) => {
    const peer = RawPeer.greeted("server");
    peer.send(connectFrame(1));
    for (let count = 0; count < 3 * framingLimits.controlFrameBurst; count += 1) {
      peer.send(...frames);
      if (count % 100 === 99) {
        await peer.settled();
        peer.clock.advance(2_000);
      }
    }
    t.is(peer.error, undefined);
    const flood = Buffer.concat(Array.from({ length: 3 * framingLimits.controlFrameBurst }, () => frames[0] as Buffer));
    peer.send(flood);
    t.is(await peer.goawayCode(), 11);
  });
}

test("ends a flood of resets, the peer's own and those it provokes", async (t) => {
  for (const wrong of [frame(3, 0, 0, uint32(8)), frame(8, 0, 0, uint32(0))]) {
    const peer = RawPeer.greeted("server");
    for (let id = 1; peer.error === undefined && id < 4 * limits.streamResetBurst; id += 2) {
      wrong.writeUInt32BE(id, 5);
      peer.send(connectFrame(id), wrong);
      if (id % 1_001 === 0) await new Promise(setImmediate);
    }
    t.is((await eventually("the end", () => peer.error)).code, "enhance-your-calm");
  }
});

test("ends a peer that asks and does not read the answers", async (t) => {
  const peer = RawPeer.greeted("server");
  await peer.settled();
  peer.peer.pause();
  const malformed = block({ ":method": "CONNECT" });
  for (let batch = 0; peer.error === undefined && batch < 200; batch += 1) {
    // Each is answered with RST_STREAM, at a rate that is allowed.
    peer.clock.advance(1_000);
    peer.send(...Array.from({ length: 1_000 }, (_, index) => frame(1, 4, batch * 2_000 + 2 * index + 1, malformed)));
    await new Promise(setImmediate);
  }
  t.is((await eventually("the end", () => peer.error)).code, "enhance-your-calm");
  t.regex(peer.error?.message ?? "", /does not read/);
});

test("a tunnel holds no more unread data than its bound", async (t) => {
  const peer = RawPeer.greeted("server");
  const streams = Math.ceil(framingLimits.unreadBytes / limits.streamWindowBytes) + 2;
  const data = Buffer.alloc(framingLimits.maxFrameBytes);
  const frames = limits.streamWindowBytes / data.length;
  for (let index = 0; index < streams; index += 1) {
    const id = 2 * index + 1;
    peer.send(connectFrame(id), ...Array.from({ length: frames }, () => frame(0, 0, id, data)));
    await new Promise(setImmediate);
  }
  await eventually("the last ones are reset", () => peer.frames.filter(({ type }) => type === 3).length >= 1);
  t.is(peer.frames.find(({ type }) => type === 3)?.payload.readUInt32BE(0), 11);
  const held = peer.requests.reduce((sum, { stream }) => sum + stream.unreadBytes, 0);
  t.true(held <= framingLimits.unreadBytes);
});

test("random frames of a peer end in an error or in nothing, at both ends", async (t) => {
  const anyFrame = fc
    .record({
      type: fc.integer({ min: 0, max: 10 }),
      flags: fc.integer({ min: 0, max: 63 }),
      streamId: fc.integer({ min: 0, max: 9 }),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
        fc.constant(OK),
        fc.constant(block({ ":method": "CONNECT", ":authority": "a" })),
        fc.nat().map((value) => uint32(value)),
      ),
    })
    .map(({ type, flags, streamId, payload }) => frame(type, flags, streamId, payload));
  const property = fc.asyncProperty(
    fc.constantFrom("client" as const, "server" as const),
    fc.array(anyFrame, { maxLength: 30 }),
    async (role, frames) => {
      const peer = RawPeer.greeted(role);
      const probes = [new StreamProbe(), new StreamProbe()];
      peer.onRequest = (stream) => stream.accept({}, new StreamProbe());
      if (role === "client")
        for (const probe of probes) peer.connection.openStream(REQUEST, probe).write(Buffer.from("data"));
      peer.send(...frames);
      for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate);
      for (const { events } of probes) {
        const last = events.findIndex((event) => event.startsWith("reset"));
        t.true(last === -1 || last === events.length - 1, events.join());
        t.true(events.filter((event) => event === "end").length <= 1);
      }
      if (peer.error !== undefined) t.is(peer.connection.openStreams, 0);
      peer.connection.abandon(8, "over", false);
    },
  );
  await fc.assert(property, { numRuns: 500 });
});

test("an exception of a handler is not taken for the peer's fault", (t) => {
  const sockets = duplexPair();
  const under = new ConnectionUnderTest("server", sockets);
  under.onRequest = () => {
    throw new RangeError("ours");
  };
  const bytes = Buffer.concat([CLIENT_PREFACE, EMPTY_SETTINGS, connectFrame(1)]);
  t.throws(() => sockets[0].emit("data", bytes), { instanceOf: RangeError });
  t.is(under.error, undefined);
});
