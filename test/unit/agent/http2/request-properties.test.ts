/** What holds for any bytes: how they come apart does not matter, and nothing makes a connection fail or hold too much. */
import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import fc from "fast-check";
import { http2Limits } from "../../../../agent/http2/limits.ts";
import { ATTACKS } from "../../../support/http2-attacks.ts";
import {
  anAnswer,
  aRequest,
  fieldsOf,
  GET,
  listOf,
  POST,
  RequestProbe,
  RequestsUnderTest,
} from "../../../support/request-pair.ts";
import { block, CLIENT_PREFACE, EMPTY_SETTINGS, frame, uint32 } from "../../../support/wire-frames.ts";

/** Everything that a server is told while it reads, in order; parts of a body are joined. */
async function eventsOf(chunks: readonly Buffer[]): Promise<string[]> {
  const server = new RequestsUnderTest("server");
  server.peer.resume();
  server.serve = ({ stream, request }) => {
    if (request.method === "GET") stream.sendHeaders(anAnswer(), true);
  };
  for (const chunk of chunks) server.connection.onData(chunk);
  const events = server.requests.flatMap(({ stream, request, endStream, probe }) => [
    `${stream.id} ${request.method} ${request.path} ${endStream} ${request.length} ${listOf(request.fields)}`,
    `${probe.body.toString("hex")} ${probe.events.join(", ")} ${probe.lastReset?.detail}`,
  ]);
  const told = [...events, ...server.malformed, ...server.limits, server.connection.state];
  server.connection.lost("end of test", false);
  await turn();
  return told;
}

/** Cuts at the given places, in any order and number. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return at
    .slice(1)
    .map((end, index) => bytes.subarray(at[index], end))
    .filter(({ length }) => length > 0);
}

const streamId = fc.constantFrom(0, 1, 3, 5, 7, 2);
const fieldList = fc.oneof(
  { weight: 3, arbitrary: fc.constant(GET) },
  { weight: 3, arbitrary: fc.constant(POST) },
  fc.constant({ ...POST, "content-length": "5" }),
  fc.constant({ ":status": "200" }),
  fc.constant({ ":status": "103" }),
  fc.constant({ trailer: "x" }),
  fc.dictionary(fc.stringMatching(/^:?[a-z]{1,8}$/), fc.string({ maxLength: 20 }), { maxKeys: 5 }),
);
const headersFrame = fc
  .record({ id: streamId, fields: fieldList, flags: fc.constantFrom(4, 5, 5, 1, 0) })
  .map(({ id, fields, flags }) => frame(1, flags, id, block(fields)));
const continuationFrame = fc
  .record({ id: streamId, fields: fieldList, flags: fc.constantFrom(0, 4) })
  .map(({ id, fields, flags }) => frame(9, flags, id, block(fields)));
const dataFrame = fc
  .record({ id: streamId, data: fc.uint8Array({ maxLength: 40 }), flags: fc.constantFrom(0, 0, 1) })
  .map(({ id, data, flags }) => frame(0, flags, id, Buffer.from(data)));
const otherFrame = fc
  .record({
    type: fc.integer({ min: 0, max: 12 }),
    flags: fc.integer({ min: 0, max: 255 }),
    id: streamId,
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((value) => uint32(value)),
      fc.constant(Buffer.alloc(8)),
    ),
  })
  .map(({ type, flags, id, payload }) => frame(type, flags, id, Buffer.from(payload)));
const anyFrame = fc.oneof(
  { weight: 4, arbitrary: headersFrame },
  { weight: 4, arbitrary: dataFrame },
  { weight: 1, arbitrary: continuationFrame },
  { weight: 2, arbitrary: otherFrame },
);

test("a server is told the same whatever the pieces in which frames come", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyFrame, { maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 60 }),
      async (frames, places) => {
        const bytes = Buffer.concat([CLIENT_PREFACE, EMPTY_SETTINGS, ...frames]);
        t.deepEqual(await eventsOf(cut(bytes, places)), await eventsOf([bytes]));
      },
    ),
    { numRuns: 500 },
  );
});

test("attacks too", async (t) => {
  for (const [what, { frames }] of Object.entries(ATTACKS)) {
    const bytes = Buffer.concat([CLIENT_PREFACE, EMPTY_SETTINGS, ...frames]);
    const pieces = Array.from({ length: Math.ceil(bytes.length / 13) }, (_, at) =>
      bytes.subarray(13 * at, 13 * at + 13),
    );
    t.deepEqual(await eventsOf(pieces), await eventsOf([bytes]), what);
  }
});

for (const role of ["server", "client"] as const) {
  test(`no frames make a ${role} throw, or hold more than its bounds`, async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(anyFrame, { maxLength: 10 }), { maxLength: 8 }), async (turns) => {
        const under = new RequestsUnderTest(role);
        under.peer.resume();
        under.serve = ({ stream }) => {
          stream.sendHeaders(anAnswer(), false);
          stream.sendData(Buffer.alloc(100), false);
          stream.sendTrailers(fieldsOf({ a: "b" }));
        };
        if (role === "client") {
          for (let count = 0; count < 4; count += 1)
            under.connection.open(aRequest(), count % 2 === 0, new RequestProbe());
        }
        const hello = role === "server" ? [CLIENT_PREFACE, EMPTY_SETTINGS] : [EMPTY_SETTINGS];
        for (const frames of [hello, ...turns]) {
          for (const each of frames) under.connection.onData(each);
          await turn();
          const { heldBytes, activeStreams } = under.connection;
          t.true(heldBytes < 100_000 && heldBytes >= 0 && activeStreams <= http2Limits.streams);
        }
        for (let seconds = 0; seconds < 100; seconds += 20) under.connection.sweep(seconds * 1_000);
        under.connection.lost("end of test", false);
        await turn();
        t.is(under.connection.activeStreams, 0);
        t.is(under.connection.queuedBytes, 0);
      }),
      { numRuns: 300 },
    );
  });

  test(`random bytes do neither to a ${role}`, async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 10 }), async (chunks) => {
        const under = new RequestsUnderTest(role);
        under.peer.resume();
        under.connection.onData(role === "server" ? Buffer.concat([CLIENT_PREFACE, EMPTY_SETTINGS]) : EMPTY_SETTINGS);
        for (const chunk of chunks) under.connection.onData(Buffer.from(chunk));
        await turn();
        t.true(under.connection.heldBytes < 100_000);
        under.connection.lost("end of test", false);
      }),
      { numRuns: 300 },
    );
  });
}
