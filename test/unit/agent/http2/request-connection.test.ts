/** What a connection for requests does with peers that behave, seen on the wire. */
import test from "ava";
import { HpackDecoder } from "../../../../agent/http2/hpack-decoder.ts";
import { http2Limits, http2Timers } from "../../../../agent/http2/limits.ts";
import { eventually } from "../../../support/eventually.ts";
import {
  anAnswer,
  aRequest,
  fieldsOf,
  POST,
  RawRequestPeer,
  RequestProbe,
  requestFrame,
} from "../../../support/request-pair.ts";
import { block, CLIENT_PREFACE, EMPTY_SETTINGS, frame, setting, uint32 } from "../../../support/wire-frames.ts";

const answer = (streamId: number, fields: Readonly<Record<string, string>> = { ":status": "200" }, flags = 4): Buffer =>
  frame(1, flags, streamId, block(fields));
const lastIds = (peer: RawRequestPeer): number[] => peer.of(7).map(({ payload }) => payload.readUInt32BE(0));

// Messages.

test("a server gets a request with its body and trailers, and answers in order", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.send(requestFrame(1, { ...POST, "x-a": "b" }, false), frame(0, 0, 1, "body"));
  const { stream, request, probe, endStream } = await peer.request();
  t.deepEqual([request.method, request.path, request.fields.get("x-a"), endStream], ["POST", "/", "b", false]);
  peer.send(frame(1, 5, 1, block({ checksum: "c" })));
  await probe.saw("end checksum=c");
  t.is(probe.body.toString(), "body");
  stream.sendHeaders(anAnswer(103, { link: "l" }), false);
  stream.sendHeaders(anAnswer(200, { "Content-Type": "text/plain" }), false);
  stream.sendData(Buffer.from("one"), false);
  stream.sendData(Buffer.from("two"), false);
  stream.sendTrailers(fieldsOf({ "Grpc-Status": "0" }));
  await eventually("the end", () => peer.frames.at(-1)?.flags === 5);
  const ours = peer.frames.filter(({ streamId }) => streamId === 1);
  t.deepEqual(
    ours.map(({ type, flags }) => [type, flags]),
    [
      [1, 4],
      [1, 4],
      [0, 0],
      [1, 5],
    ],
  );
  t.is(ours[2]?.payload.toString(), "onetwo");
  t.regex(ours[3]?.payload.toString("latin1") ?? "", /grpc-status/);
  t.is(peer.connection.activeStreams, 0);
});

test("a client gets interim answers, the final one, data, and trailers", async (t) => {
  const peer = RawRequestPeer.greeted("client");
  const probe = new RequestProbe();
  peer.connection
    .open(aRequest({ path: "/a", length: 4, method: "PUT" }), false, probe)
    .sendData(Buffer.from("body"), true);
  await eventually("the body", () => peer.dataOf(1).toString() === "body");
  t.is(peer.of(0, 1)[0]?.flags, 1);
  peer.send(answer(1, { ":status": "100" }), answer(1, { ":status": "200", "content-length": "2" }));
  peer.send(frame(0, 0, 1, "ok"), frame(1, 5, 1, block({ t: "1" })));
  await probe.saw("end t=1");
  t.deepEqual(probe.events, ["100", "200 length 2", "end t=1"]);
  t.is(probe.body.toString(), "ok");
  t.is(peer.connection.activeStreams, 0);
});

test("answers without a body end with their head; trailers without a field are the end alone", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.serve = ({ stream }) => stream.sendHeaders(anAnswer(204), true);
  peer.send(requestFrame(1));
  await eventually("the answer", () => peer.of(1, 1)[0]?.flags === 5);
  peer.serve = ({ stream }) => {
    stream.sendHeaders(anAnswer(), false);
    stream.sendTrailers(fieldsOf());
  };
  peer.send(requestFrame(3));
  await eventually("the end", () => peer.of(0, 3)[0]?.flags === 1);
  t.is(peer.connection.activeStreams, 0);
});

test("an answer to HEAD, and a 304, have a length and no body", async (t) => {
  const peer = RawRequestPeer.greeted("client");
  const probes = [new RequestProbe(), new RequestProbe()] as const;
  peer.connection.open(aRequest({ method: "HEAD" }), true, probes[0]);
  peer.connection.open(aRequest(), true, probes[1]);
  await peer.receives(1, 3);
  peer.send(
    answer(1, { ":status": "200", "content-length": "9" }, 5),
    answer(3, { ":status": "304", "content-length": "9" }, 5),
  );
  await Promise.all(probes.map((probe) => probe.saw("end")));
  t.deepEqual(
    probes.map(({ events }) => events[0]),
    ["200 length 9", "304 length 9"],
  );
});

test("header blocks larger than a frame of the peer's are continued", async (t) => {
  const peer = RawRequestPeer.greeted("client");
  const probe = new RequestProbe();
  peer.connection.open(aRequest({ fields: fieldsOf({ token: "x".repeat(40_000) }) }), true, probe);
  const last = await eventually("the last part", () => peer.of(9, 1)[1]);
  t.deepEqual([peer.of(1, 1)[0]?.flags, peer.of(1, 1)[0]?.payload.length], [1, 16_384]);
  t.is(last.flags, 4);
});

// Flow control.

test("a reader that stops gets a window and no more; its credit comes when it reads", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.serve = ({ stream }) => stream.pause();
  peer.send(requestFrame(1, POST, false));
  const chunk = frame(0, 0, 1, Buffer.alloc(16_384));
  for (let sent = 0; sent < http2Limits.streamWindowBytes; sent += 16_384) peer.send(chunk);
  await peer.settled();
  const { stream, probe } = await peer.request();
  t.is(stream.unreadBytes, http2Limits.streamWindowBytes);
  t.is(peer.connection.heldBytes >= http2Limits.streamWindowBytes, true);
  t.is(peer.of(8, 1).length, 0);
  t.is(probe.chunks.length, 0);
  stream.resume();
  await peer.receives(8, 1);
  t.is(probe.body.length, http2Limits.streamWindowBytes);
});

test("when all unread data is too much the connection gives no credit until some is read", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.serve = ({ stream }) => stream.pause();
  const streams = Math.ceil(
    (http2Limits.unreadBytes + http2Limits.connectionWindowBytes) / http2Limits.streamWindowBytes,
  );
  const chunk = Buffer.alloc(http2Limits.streamWindowBytes / 4);
  let sent = 0;
  let window = http2Limits.connectionWindowBytes;
  let credited = 1;
  for (let id = 1; id < 2 * streams; id += 2) {
    peer.send(requestFrame(id, POST, false));
    for (let part = 0; part < 4; part += 1) {
      for (; credited < peer.of(8).length; credited += 1) window += peer.of(8)[credited]?.payload.readUInt32BE(0) ?? 0;
      if (sent + chunk.length > window) break;
      peer.send(frame(0, 0, id, chunk));
      sent += chunk.length;
      await peer.settled();
    }
  }
  t.is(peer.end, undefined);
  t.true(sent <= http2Limits.unreadBytes + http2Limits.connectionWindowBytes);
  t.true(peer.connection.heldBytes <= http2Limits.unreadBytes + http2Limits.connectionWindowBytes + 100_000);
  const before = peer.of(8).length;
  for (const { stream } of peer.requests) stream.resume();
  await eventually("credit", () => peer.of(8).length > before);
});

test("says when to stop writing, and when to go on", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.send(requestFrame(1));
  const { stream, probe } = await peer.request();
  stream.sendHeaders(anAnswer(), false);
  let taken = 0;
  while (stream.sendData(Buffer.alloc(16_384), false)) taken += 16_384;
  t.true(taken <= http2Limits.queueHighBytes + 65_535);
  await peer.settled();
  t.is(peer.dataOf(1).length, 65_535);
  t.is(probe.drains, 0);
  peer.send(frame(8, 0, 0, uint32(1 << 20)), frame(8, 0, 1, uint32(1 << 20)));
  await eventually("drain", () => probe.drains === 1);
  t.true(stream.sendData(Buffer.from("more"), true));
  await eventually("the end", () => peer.of(0, 1).at(-1)?.flags === 1);
});

test("a stream whose peer takes nothing for too long is reset, the others go on", async (t) => {
  const peer = RawRequestPeer.greeted("server", frame(4, 0, 0, setting(4, 10)));
  peer.send(requestFrame(1), requestFrame(3));
  const [stalled, other] = [await peer.request(0), await peer.request(1)];
  stalled.stream.sendHeaders(anAnswer(), false);
  other.stream.sendHeaders(anAnswer(), false);
  stalled.stream.sendData(Buffer.alloc(20), true);
  await peer.settled();
  for (let seconds = 0; seconds <= http2Timers.windowStallMs / 1_000; seconds += 1) {
    peer.connection.sweep(seconds * 1_000);
    // A byte now and then is slow, and not stalled.
    other.stream.sendData(Buffer.from("x"), false);
    peer.send(frame(8, 0, 3, uint32(1)));
    await peer.settled();
  }
  t.is(await peer.resetCode(1), 8);
  t.deepEqual(stalled.probe.events, ["end", "reset 8"]);
  t.deepEqual(peer.limits, ["windowStallMs"]);
  t.is(peer.connection.activeStreams, 1);
});

// Ends of streams.

test("a server's NO_ERROR after its whole answer loses nothing of it", async (t) => {
  const peer = RawRequestPeer.greeted("client");
  const probe = new RequestProbe();
  const stream = peer.connection.open(aRequest({ method: "POST" }), false, probe);
  stream.pause();
  await peer.receives(1, 1);
  peer.send(answer(1), frame(0, 1, 1, "answer"), frame(3, 0, 1, uint32(0)));
  await peer.settled();
  t.is(peer.connection.activeStreams, 0);
  t.deepEqual(probe.events, ["200"]);
  stream.resume();
  await probe.saw("reset 0");
  t.deepEqual(probe.events, ["200", "end", "reset 0"]);
  t.is(probe.body.toString(), "answer");
  t.true(stream.sendData(Buffer.from("dropped"), true));
});

test("a server that needs no more of a request answers, and then says so", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.serve = ({ stream }) => {
    stream.stopReading();
    stream.sendHeaders(anAnswer(413), false);
    stream.sendData(Buffer.from("no"), true);
  };
  peer.send(requestFrame(1, POST, false), frame(0, 0, 1, "a lot"));
  t.is(await peer.resetCode(1), 0);
  t.is(peer.dataOf(1).toString(), "no");
  const { probe } = await peer.request();
  t.deepEqual([probe.events, probe.chunks], [[], []]);
  t.is(peer.connection.activeStreams, 0);
});

test("our reset is sent, drops what waits, and is told to nobody", async (t) => {
  const peer = RawRequestPeer.greeted("client");
  const probe = new RequestProbe();
  const stream = peer.connection.open(aRequest({ method: "POST" }), false, probe);
  stream.sendData(Buffer.alloc(200_000), false);
  stream.reset(8);
  t.is(await peer.resetCode(1), 8);
  t.deepEqual([probe.events, stream.queuedBytes, peer.connection.activeStreams], [[], 0, 0]);
});

test("a reset tells whether the request was certainly not acted upon", async (t) => {
  const peer = RawRequestPeer.greeted("client");
  const probes = [1, 3, 5].map(() => new RequestProbe());
  for (const probe of probes) peer.connection.open(aRequest(), true, probe);
  await peer.receives(1, 5);
  peer.send(frame(3, 0, 1, uint32(7)), frame(3, 0, 3, uint32(8)), answer(5), frame(3, 0, 5, uint32(7)));
  await Promise.all([probes[0]?.saw("reset 7 refused"), probes[1]?.saw("reset 8"), probes[2]?.saw("reset 7")]);
  t.true(probes[0]?.lastReset?.byPeer);
});

test("what is on its way for a stream that we have reset is nobody's fault", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.serve = ({ stream }) => stream.reset(8);
  peer.send(requestFrame(1, POST, false), frame(0, 0, 1, "x"), frame(1, 5, 1, block({ t: "1" })));
  await peer.settled();
  t.is(peer.of(3, 1).length, 1);
  t.is(peer.end, undefined);
});

// Room.

test("keeps to the peer's number of streams, and tells when there is room again", async (t) => {
  const peer = RawRequestPeer.greeted("client", frame(4, 0, 0, setting(3, 1)));
  await peer.settled();
  t.is(peer.connection.maxConcurrent, 1);
  t.true(peer.connection.hasRoom);
  const probe = new RequestProbe();
  peer.connection.open(aRequest(), true, probe);
  t.false(peer.connection.hasRoom);
  t.throws(() => peer.connection.open(aRequest(), true, new RequestProbe()), { code: "refused-stream" });
  await peer.receives(1, 1);
  t.is(peer.rooms, 0);
  peer.send(answer(1, { ":status": "200" }, 5));
  await eventually("room", () => peer.rooms === 1);
  peer.connection.open(aRequest(), true, new RequestProbe());
  t.false(peer.connection.hasRoom);
  peer.send(frame(4, 0, 0, setting(3, 2)));
  await eventually("room", () => peer.rooms === 2);
});

test("more streams than we allow are refused, and may be sent again", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  for (let count = 0; count <= http2Limits.streams; count += 1) peer.send(requestFrame(2 * count + 1));
  t.is(await peer.resetCode(2 * http2Limits.streams + 1), 7);
  t.is(peer.requests.length, http2Limits.streams);
  t.deepEqual(peer.limits, ["streams"]);
});

// Ends of connections.

test("a graceful end takes what is on its way: two GOAWAYs around a PING", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.serve = ({ stream }) => stream.sendHeaders(anAnswer(), false);
  peer.send(requestFrame(1));
  await peer.request();
  peer.connection.goaway(true);
  t.is((await peer.receives(7)).payload.readUInt32BE(0), 2 ** 31 - 1);
  // Sent before the client knew.
  peer.send(requestFrame(3));
  await peer.request(1);
  const ping = await peer.receives(6);
  peer.send(frame(6, 1, 0, ping.payload), requestFrame(5));
  t.is(await peer.resetCode(5), 7);
  t.deepEqual(lastIds(peer), [2 ** 31 - 1, 3]);
  t.true(peer.connection.isDraining);
  for (const { stream } of peer.requests) stream.sendData(Buffer.from("x"), true);
  await peer.settled();
  t.false(peer.ended);
  peer.clock.advance(http2Timers.closeGraceMs);
  await eventually("the end", () => peer.ended);
  peer.peer.end();
  await eventually("closed", () => peer.end);
  t.is(peer.end?.error, undefined);
  t.is(peer.connection.state, "closed");
});

test("a graceful end does not wait for a peer that answers no PING", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  await peer.settled();
  peer.connection.goaway(true);
  peer.clock.advance(http2Timers.goawayGraceMs);
  peer.clock.advance(http2Timers.closeGraceMs);
  await eventually("the end", () => peer.ended);
  t.deepEqual(lastIds(peer), [2 ** 31 - 1, 0]);
  peer.clock.advance(http2Timers.lingerMs);
  await eventually("closed", () => peer.end);
});

test("GOAWAY of a server refuses what it did not see; the rest goes on, then the connection closes", async (t) => {
  const peer = RawRequestPeer.greeted("client");
  const probes = [new RequestProbe(), new RequestProbe()] as const;
  for (const probe of probes) peer.connection.open(aRequest(), true, probe);
  await peer.receives(1, 3);
  peer.send(frame(7, 0, 0, uint32(1, 0)));
  await probes[1].saw("reset 7 refused");
  t.is(peer.drainings, 1);
  t.false(peer.connection.hasRoom);
  peer.send(answer(1, { ":status": "200" }, 5));
  await probes[0].saw("end");
  await eventually("the end", () => peer.ended);
});

test("a transport that is lost resets the streams; undelivered they may be sent again", async (t) => {
  for (const [undelivered, event] of [
    [false, "reset 8"],
    [true, "reset 7 refused"],
  ] as const) {
    const peer = RawRequestPeer.greeted("client");
    const probe = new RequestProbe();
    peer.connection.open(aRequest(), true, probe);
    peer.connection.lost("gone", undelivered);
    await probe.saw(event);
    await eventually("closed", () => peer.end);
    t.is(peer.end?.detail, "gone");
    t.is(probe.lastReset?.byPeer, false);
  }
});

test("an answer to a stream that is lost goes nowhere, also before its user is told", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.send(requestFrame(1));
  const { stream, probe } = await peer.request();
  peer.connection.lost("gone", false);
  stream.sendHeaders(anAnswer(502), false);
  t.notThrows(() => stream.sendData(Buffer.from("sorry"), true));
  await probe.saw("reset 8");
});

test("a client that closes cancels its requests", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.send(requestFrame(1));
  const { probe } = await peer.request();
  peer.peer.end();
  await probe.saw("reset 8");
  await eventually("closed", () => peer.end);
  t.is(peer.connection.state, "closed");
});

test("close says why, and ends everything", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.send(requestFrame(1));
  const { probe, stream } = await peer.request();
  peer.connection.close(11, "too much");
  await probe.saw("reset 11");
  t.is(await peer.goawayCode(), 11);
  peer.clock.advance(http2Timers.lingerMs);
  await eventually("closed", () => peer.end);
  t.is(peer.end?.detail, "too much");
  t.notThrows(() => stream.sendHeaders(anAnswer(), true));
});

test("is idle since its last stream ended", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  t.is(peer.connection.idleSinceMs, peer.clock.monotonicMs());
  peer.send(requestFrame(1));
  const { stream } = await peer.request();
  t.is(peer.connection.idleSinceMs, undefined);
  peer.clock.advance(500);
  stream.sendHeaders(anAnswer(), true);
  t.is(peer.connection.idleSinceMs, peer.clock.monotonicMs());
});

test("a peer that answers no PING is lost", async (t) => {
  const peer = RawRequestPeer.greeted("client");
  await peer.settled();
  const startMs = peer.clock.monotonicMs();
  peer.connection.ping();
  const ping = (await eventually("PING", () => peer.of(6).find(({ flags }) => flags === 0))).payload;
  peer.send(frame(6, 1, 0, ping));
  await peer.settled();
  peer.connection.sweep(startMs + 2 * http2Timers.pingTimeoutMs);
  t.is(peer.end, undefined);
  peer.connection.ping();
  peer.connection.sweep(startMs + http2Timers.pingTimeoutMs);
  t.is(await peer.goawayCode(), 11);
  t.deepEqual(peer.limits, ["pingTimeoutMs"]);
});

test("a peer whose network takes nothing for too long is given up", async (t) => {
  const peer = new RawRequestPeer("server");
  peer.serve = ({ stream }) => stream.sendHeaders(anAnswer(200, { x: "y".repeat(60_000) }), true);
  peer.peer.pause();
  peer.send(CLIENT_PREFACE, EMPTY_SETTINGS, requestFrame(1), requestFrame(3), requestFrame(5), requestFrame(7));
  await eventually("the requests", () => peer.requests.length === 4);
  await new Promise((resolve) => setImmediate(resolve));
  peer.connection.sweep(0);
  peer.connection.sweep(http2Timers.windowStallMs - 1);
  t.is(peer.connection.state, "open");
  peer.connection.sweep(http2Timers.windowStallMs);
  t.is(peer.connection.state, "closed");
  t.deepEqual(peer.limits, ["windowStallMs"]);
});

test("a server says that it takes extended CONNECT, a client does not", async (t) => {
  for (const [role, takes] of [
    ["server", true],
    ["client", false],
  ] as const) {
    const peer = RawRequestPeer.greeted(role);
    const { payload } = await peer.receives(4);
    t.is(payload.includes(setting(8, 1)), takes, role);
  }
});

test("extended CONNECT: a client knows once the server has said it, and sends what it is told", async (t) => {
  const peer = new RawRequestPeer("client");
  t.is(peer.connection.takesExtendedConnect, undefined);
  peer.send(EMPTY_SETTINGS);
  await peer.settled();
  t.false(peer.connection.takesExtendedConnect);
  peer.send(frame(4, 0, 0, setting(8, 1)));
  await peer.settled();
  t.true(peer.connection.takesExtendedConnect);
  const opening = aRequest({ method: "CONNECT", protocol: "websocket", path: "/chat" });
  peer.connection.open(opening, false, new RequestProbe());
  const { payload, flags } = await peer.receives(1, 1);
  const head = { ":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":path": "/chat" };
  t.like(Object.fromEntries(new HpackDecoder(http2Limits).decode(payload) ?? []), head);
  t.is(flags, 4);
});

test("extended CONNECT that is taken back, or neither taken nor not, breaks the protocol", async (t) => {
  for (const settings of [
    [frame(4, 0, 0, setting(8, 1)), frame(4, 0, 0, setting(8, 0))],
    [frame(4, 0, 0, setting(8, 2))],
  ]) {
    const peer = new RawRequestPeer("client");
    peer.send(...settings);
    t.is(await peer.goawayCode(), 1);
  }
});
