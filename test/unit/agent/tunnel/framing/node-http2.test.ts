/** Our framing against node:http2 (nghttp2) in memory: header compression both ways, and large transfers. */
import { once } from "node:events";
import { connect, performServerHandshake, type ServerHttp2Stream } from "node:http2";
import test from "ava";
import fc from "fast-check";
import { eventually } from "../../../../support/eventually.ts";
import { ConnectionUnderTest } from "../../../../support/framing-pair.ts";
import { StreamProbe } from "../../../../support/stream-probe.ts";

const name = fc.stringMatching(/^x-[a-z0-9-]{1,20}$/);
const value = fc.stringMatching(/^[!-~]([ -~]{0,200}[!-~])?$/);
const requests = fc.array(
  fc.record({
    authority: fc.stringMatching(/^[a-z0-9.]{1,40}:[0-9]{1,5}$/),
    headers: fc.dictionary(name, value, { maxKeys: 8 }),
  }),
  { minLength: 1, maxLength: 12 },
);

test("decodes whatever node's encoder makes of requests: indices, dynamic table, Huffman", async (t) => {
  await fc.assert(
    fc.asyncProperty(requests, async (all) => {
      const ours = new ConnectionUnderTest("server");
      const session = connect("http://localhost", { createConnection: () => ours.peer });
      // The second time most of it comes from the dynamic table.
      for (const { authority, headers } of [...all, ...all]) {
        session.request({ ":method": "CONNECT", ":authority": authority, ...headers }).on("error", () => {});
      }
      await eventually("all requests", () => ours.requests.length === 2 * all.length);
      t.deepEqual(
        ours.requests.map(({ request }) => ({ authority: request.authority, headers: { ...request.headers } })),
        [...all, ...all].map(({ authority, headers }) => ({ authority, headers: { ...headers } })),
      );
      session.destroy();
    }),
    { numRuns: 60 },
  );
});

test("node's decoder reads our requests, and we read its answers", async (t) => {
  await fc.assert(
    fc.asyncProperty(requests, value, async (all, reason) => {
      const ours = new ConnectionUnderTest("client");
      const session = performServerHandshake(ours.peer);
      const seen: object[] = [];
      session.on("stream", (stream: ServerHttp2Stream, headers) => {
        const { ":method": method, ":authority": authority, ...rest } = headers;
        // Without the symbol that node adds.
        seen.push({ authority, headers: Object.fromEntries(Object.entries(rest)), method });
        stream.on("error", () => {});
        stream.respond({ ":status": 503, "hawser-reason": reason }, { endStream: true });
      });
      const probes = all.map((request) => {
        const probe = new StreamProbe();
        ours.connection.openStream(request, probe);
        return probe;
      });
      await Promise.all(probes.map((probe) => probe.saw("response 503")));
      t.true(probes.every((probe) => probe.reason === reason));
      t.deepEqual(
        seen,
        all.map(({ authority, headers }) => ({ authority, headers: { ...headers }, method: "CONNECT" })),
      );
      session.destroy();
    }),
    { numRuns: 60 },
  );
});

test("node's changes of the header table's size are followed", async (t) => {
  const ours = new ConnectionUnderTest("client");
  const session = performServerHandshake(ours.peer, { settings: { headerTableSize: 0 } });
  const authorities: (string | undefined)[] = [];
  session.on("stream", (stream: ServerHttp2Stream, headers) => {
    authorities.push(headers[":authority"]);
    stream.on("error", () => {});
    stream.respond({ ":status": 200 });
  });
  for (const authority of ["a:1", "b:2", "c:3"]) {
    const probe = new StreamProbe();
    ours.connection.openStream({ authority, headers: { x: authority } }, probe);
    await probe.saw("response 200");
    session.settings({ headerTableSize: authority === "a:1" ? 4_096 : 0 });
    await once(session, "localSettings");
  }
  t.deepEqual(authorities, ["a:1", "b:2", "c:3"]);
  session.destroy();
});

test("carries megabytes both ways against node's flow control", async (t) => {
  const ours = new ConnectionUnderTest("client");
  const session = performServerHandshake(ours.peer, { settings: { initialWindowSize: 30_000 } });
  session.on("stream", (stream: ServerHttp2Stream) => {
    stream.respond({ ":status": 200 });
    stream.pipe(stream);
  });
  const probe = new StreamProbe({ keep: false });
  const stream = ours.connection.openStream({ authority: "a:1", headers: {} }, probe);
  const bytes = Buffer.alloc(5_000_000, "0123456789");
  for (let at = 0; at < bytes.length; at += 50_001) stream.write(bytes.subarray(at, at + 50_001));
  stream.end();
  await probe.saw("end");
  const sent = new StreamProbe({ keep: false });
  sent.onData(bytes);
  t.is(probe.sha256, sent.sha256);
  t.is(ours.connection.openStreams, 0);
  session.destroy();
});
