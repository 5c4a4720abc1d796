/** Every attack of the table ends as it must, within bounds; a slow peer is not waited for. */
import test from "ava";
import { http2Limits, http2Timers } from "../../../../agent/http2/limits.ts";
import { eventually } from "../../../support/eventually.ts";
import { ATTACKS } from "../../../support/http2-attacks.ts";
import {
  anAnswer,
  aRequest,
  GET,
  POST,
  RawRequestPeer,
  RequestProbe,
  requestFrame,
} from "../../../support/request-pair.ts";
import { block, CLIENT_PREFACE, frame, uint32 } from "../../../support/wire-frames.ts";

for (const [what, { frames, goaway, reset, limit }] of Object.entries(ATTACKS)) {
  test(`a server ends ${what}`, async (t) => {
    const peer = RawRequestPeer.greeted("server");
    peer.send(...frames);
    if (goaway !== undefined) t.is(await peer.goawayCode(), goaway);
    if (reset !== undefined) {
      t.is(await peer.resetCode(1), reset);
      peer.send(requestFrame(5));
      await eventually("the next request", () => peer.requests.some(({ stream }) => stream.id === 5));
      t.is(peer.end, undefined);
    }
    if (limit !== undefined) t.true(peer.limits.includes(limit), peer.limits.join());
    t.true(peer.connection.heldBytes < http2Limits.unsentControlBytes);
    t.true(peer.connection.activeStreams <= http2Limits.streams);
    if (goaway === undefined) return;
    // Nothing is left when the peer does not go.
    peer.clock.advance(http2Timers.lingerMs);
    await eventually("closed", () => peer.end);
    t.is(peer.connection.activeStreams, 0);
    t.true(peer.requests.every(({ probe }) => probe.events.some((event) => event.startsWith("reset"))));
  });
}

test("a malformed request is answered with 400, one with too many fields with 431", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.send(requestFrame(1, { ":method": "GET" }));
  t.is(await peer.resetCode(1), 1);
  t.is(peer.of(1, 1)[0]?.flags, 5);
  t.true(peer.of(1, 1)[0]?.payload.includes("malformed-request"));
  t.is(peer.malformed.length, 1);
  peer.send(frame(1, 5, 3, Buffer.concat([block(GET), Buffer.alloc(3_000 * 4, Buffer.from([0, 1, 0x61, 0]))])));
  await peer.receives(1, 3);
  t.true(peer.of(1, 3)[0]?.payload.includes("431"));
});

test("a peer that is no HTTP/2 ends the connection", async (t) => {
  for (const hello of ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]) {
    const peer = new RawRequestPeer("server");
    peer.send(Buffer.from(hello, "latin1"));
    t.is(await peer.goawayCode(), 1);
  }
  const impolite = new RawRequestPeer("server");
  impolite.send(CLIENT_PREFACE, requestFrame(1));
  t.is(await impolite.goawayCode(), 1);
  t.is(impolite.requests.length, 0);
});

test("as many resets as there are answers, and some more, are honest", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.serve = ({ stream }) => {
    if (stream.id % 4 === 1) stream.sendHeaders(anAnswer(), true);
  };
  for (let id = 1; id < 8 * http2Limits.resetBurst; id += 4) {
    peer.send(requestFrame(id), requestFrame(id + 2), frame(3, 0, id + 2, uint32(8)));
  }
  await peer.settled();
  t.is(peer.end, undefined);
  t.deepEqual(peer.limits, []);
});

test("credit for what was sent is no flood, however small its steps", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.serve = ({ stream }) => {
    stream.sendHeaders(anAnswer(), false);
    stream.sendData(Buffer.alloc(65_535 + 5_000), true);
  };
  peer.send(requestFrame(1));
  await peer.settled();
  for (let count = 0; count < 5_000; count += 1) {
    peer.send(frame(8, 0, 0, uint32(1)), frame(8, 0, 1, uint32(1)));
    if (count % 20 === 0) await peer.settled();
    peer.clock.advance(10);
  }
  await eventually("all", () => peer.dataOf(1).length === 65_535 + 5_000);
  t.deepEqual(peer.limits, []);
});

const SLOW_HEADS: Readonly<Record<string, readonly Buffer[]>> = {
  "a header block that goes on": [frame(1, 1, 1, block(GET)), frame(9, 0, 1, block({ x: "y" }))],
  "a frame that does not come to its end": [frame(1, 5, 1, block(GET)).subarray(0, 20)],
};

for (const [what, frames] of Object.entries(SLOW_HEADS)) {
  test(`a peer is not waited for with ${what}`, async (t) => {
    const peer = RawRequestPeer.greeted("server");
    await peer.settled();
    for (const each of frames) peer.send(each);
    await eventually("a part", () => peer.connection.heldBytes > 0);
    peer.connection.sweep(0);
    peer.connection.sweep(http2Timers.slowHeadMs - 1);
    t.is(peer.of(7).length, 0);
    peer.connection.sweep(http2Timers.slowHeadMs);
    t.is(await peer.goawayCode(), 11);
    t.deepEqual(peer.limits, ["slowHeadMs"]);
  });
}

test("a client that never says SETTINGS is not waited for, a slow server is", async (t) => {
  const peer = new RawRequestPeer("server");
  const later = peer.clock.monotonicMs() + http2Timers.slowHeadMs;
  peer.send(CLIENT_PREFACE);
  peer.connection.sweep(later - 1);
  t.is(peer.of(7).length, 0);
  peer.connection.sweep(later);
  t.is(await peer.goawayCode(), 11);
  const server = new RawRequestPeer("client");
  server.connection.sweep(later);
  t.is(server.connection.state, "open");
});

test("a peer that asks and does not read the answers is ended", async (t) => {
  const peer = new RawRequestPeer("server");
  peer.serve = ({ stream }) => stream.sendHeaders(anAnswer(200, { x: "y".repeat(10_000) }), true);
  peer.peer.pause();
  peer.send(CLIENT_PREFACE, frame(4, 0, 0));
  for (let id = 1; id < 1_000 && peer.connection.state === "open"; id += 2) {
    peer.send(requestFrame(id));
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.not(peer.connection.state, "open");
  t.deepEqual(peer.limits, ["unsentControlBytes"]);
  t.true(peer.connection.heldBytes <= 2 * http2Limits.unsentControlBytes);
});

test("a stream that is sent more than its window is reset, the others go on", async (t) => {
  const peer = RawRequestPeer.greeted("server");
  peer.serve = ({ stream }) => stream.pause();
  peer.send(requestFrame(1, POST, false), requestFrame(3, POST, false));
  for (let sent = 0; sent <= http2Limits.streamWindowBytes; sent += 16_384)
    peer.send(frame(0, 0, 1, Buffer.alloc(16_384)));
  t.is(await peer.resetCode(1), 3);
  t.is(peer.connection.activeStreams, 1);
  t.is(peer.end, undefined);
});

// Servers that lie to a client.

const BAD_ANSWERS: Readonly<Record<string, { readonly frames: readonly Buffer[]; readonly code: number }>> = {
  "without a status": { frames: [frame(1, 5, 1, block({ x: "y" }))], code: 1 },
  "with 101": { frames: [frame(1, 4, 1, block({ ":status": "101" }))], code: 1 },
  "that ends with an interim one": { frames: [frame(1, 5, 1, block({ ":status": "103" }))], code: 1 },
  "that begins with data": { frames: [frame(0, 0, 1, "x")], code: 1 },
  "that is data and its end": { frames: [frame(0, 1, 1)], code: 1 },
  "with less than content-length": {
    frames: [frame(1, 4, 1, block({ ":status": "200", "content-length": "5" })), frame(0, 1, 1, "1234")],
    code: 1,
  },
  "with a body in answer to HEAD": {
    frames: [frame(1, 4, 1, block({ ":status": "200", "content-length": "4" })), frame(0, 1, 1, "1234")],
    code: 1,
  },
  "with connection": { frames: [frame(1, 4, 1, block({ ":status": "200", connection: "close" }))], code: 1 },
  "with two heads": {
    frames: [frame(1, 4, 1, block({ ":status": "200" })), frame(1, 4, 1, block({ ":status": "200" }))],
    code: 1,
  },
  "after its end": {
    frames: [frame(1, 5, 1, block({ ":status": "200" })), frame(1, 4, 1, block({ ":status": "200" }))],
    code: 5,
  },
};

for (const [what, { frames, code }] of Object.entries(BAD_ANSWERS)) {
  test(`a client resets an answer ${what}, and goes on`, async (t) => {
    const peer = RawRequestPeer.greeted("client");
    const probe = new RequestProbe();
    const isHead = what.includes("HEAD");
    const request = peer.connection.open(aRequest({ method: isHead ? "HEAD" : "POST" }), isHead, probe);
    await peer.receives(1, 1);
    peer.send(...frames);
    t.is(await peer.resetCode(1), code);
    await probe.saw(`reset ${code}`);
    t.is(probe.lastReset?.byPeer, false);
    t.true(request.sendData(Buffer.from("nobody"), true));
    t.true(peer.connection.hasRoom);
  });
}

test("a client ends the connection of a server that opens streams, pushes, or floods interim answers", async (t) => {
  for (const [frames, code] of [
    [[frame(1, 5, 2, block({ ":status": "200" }))], 1],
    [[frame(5, 4, 1, uint32(2))], 1],
    [[frame(4, 0, 0, Buffer.from("000200000001", "hex"))], 1],
    [Array.from({ length: 3_000 }, () => frame(1, 4, 1, block({ ":status": "103" }))), 11],
  ] as const) {
    const peer = RawRequestPeer.greeted("client");
    const probe = new RequestProbe();
    peer.connection.open(aRequest(), true, probe);
    await peer.receives(1, 1);
    peer.send(...frames);
    t.is(await peer.goawayCode(), code);
    await eventually("reset", () => probe.lastReset !== undefined);
  }
});
