import test from "ava";
import fc from "fast-check";
import { WireClassifier } from "../../../../lab/wire/wire-classifier.ts";
import type { DetailedWireSummary } from "../../../../lab/wire/wire-summary.ts";
import {
  ACK,
  serverHello,
  SYN,
  type TcpFields,
  tcpFrame,
  tlsRecord,
  udpFrame,
} from "../../../support/packet-builder.ts";

const CLIENT_POD = "10.244.1.2";
const SERVER_POD = "10.244.2.3";
const NODE = "192.168.1.1";
const HTTP_REQUEST = Buffer.from("GET /reviews/7 HTTP/1.1\r\nhost: reviews\r\n\r\n");
// Deterministic, with no long run of text: every fourth byte has its high bit set.
const CIPHERTEXT = Buffer.from(Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 0x80 | i : (i * 7) & 0x7f) & 0xff));

const TUNNEL = { source: NODE, sourcePort: 40_000, destination: SERVER_POD, destinationPort: 15_008 };
const TUNNEL_BACK = { source: SERVER_POD, sourcePort: 15_008, destination: NODE, destinationPort: 40_000 };
const DIRECT = { source: CLIENT_POD, sourcePort: 40_000, destination: SERVER_POD, destinationPort: 8080 };

function classify(frames: readonly Buffer[]): DetailedWireSummary {
  const classifier = new WireClassifier({ podCidrs: ["10.244.0.0/16", "fd00:10:244::/48"] });
  for (const frame of frames) classifier.frame(frame, 0);
  return classifier.summary();
}

/** A SYN and the stream after it, cut into segments. */
function connection(fields: TcpFields, stream: Buffer, segmentBytes = 1448, first = 0xffffff00): Buffer[] {
  const frames = [tcpFrame({ ...fields, sequence: first, flags: SYN })];
  for (let at = 0; at < stream.length; at += segmentBytes) {
    const payload = stream.subarray(at, at + segmentBytes);
    frames.push(tcpFrame({ ...fields, sequence: first + 1 + at, flags: ACK, payload }));
  }
  return frames;
}

function serverStream(group = 0x11ec): Buffer {
  const hello = tlsRecord(22, serverHello({ version: 0x0304, group, cipher: 0x1301 }));
  return Buffer.concat([hello, tlsRecord(20, Buffer.from([1])), tlsRecord(23, CIPHERTEXT), tlsRecord(23, CIPHERTEXT)]);
}

test("WireClassifier finds nothing in a tunnel and names what it negotiated", (t) => {
  const summary = classify(connection(TUNNEL_BACK, serverStream()));
  t.is(summary.plaintextPackets, 0);
  t.deepEqual(
    [summary.tlsVersions, summary.keyExchanges, summary.cipherSuites],
    [["TLSv1.3"], ["X25519MLKEM768"], ["TLS_AES_128_GCM_SHA256"]],
  );
  t.deepEqual(
    summary.handshakes.map(({ port, count }) => ({ port, count })),
    [{ port: 15_008, count: 1 }],
  );
});

test("WireClassifier judges the same however the stream is cut into segments", (t) => {
  const property = fc.property(fc.integer({ min: 1, max: 2000 }), fc.nat(0xffffffff), (segmentBytes, first) => {
    const { plaintextPackets, unsyncedPackets, keyExchanges } = classify(
      connection(TUNNEL_BACK, serverStream(), segmentBytes, first),
    );
    t.deepEqual(
      { plaintextPackets, unsyncedPackets, keyExchanges },
      { plaintextPackets: 0, unsyncedPackets: 0, keyExchanges: ["X25519MLKEM768"] },
    );
  });
  fc.assert(property, { numRuns: 50 });
});

test("WireClassifier treats the controller's channel like a tunnel", (t) => {
  const channel = { source: "192.168.1.254", sourcePort: 15_012, destination: NODE, destinationPort: 41_000 };
  const summary = classify([...connection(channel, serverStream(0x001d)), ...connection(channel, HTTP_REQUEST)]);
  t.deepEqual(summary.keyExchanges, ["X25519"]);
  t.is(summary.plaintextPackets, 1);
});

test("WireClassifier counts payload between pods outside of a tunnel", (t) => {
  const summary = classify(connection(DIRECT, HTTP_REQUEST));
  t.is(summary.plaintextPackets, 1);
  t.like(summary.offendingPackets[0], {
    source: "10.244.1.2:40000",
    destination: "10.244.2.3:8080",
    reason: "pod-payload",
  });
  t.regex(summary.plaintextSamples[0] ?? "", /GET \/reviews\/7 HTTP\/1\.1\.\.host/);
});

test("WireClassifier counts it over IPv6, and whatever it looks like", (t) => {
  const fields = { ...DIRECT, source: "fd00:10:244:1::2", destination: "fd00:10:244:2::3" };
  t.is(classify(connection(fields, CIPHERTEXT)).plaintextPackets, 1);
});

test("WireClassifier is not fooled by address translation of one end", (t) => {
  t.is(classify(connection({ ...DIRECT, source: NODE }, CIPHERTEXT)).plaintextPackets, 1);
});

test("WireClassifier lets pass what has no payload", (t) => {
  t.is(classify(connection(DIRECT, Buffer.alloc(0))).plaintextPackets, 0);
});

test("WireClassifier counts text and anything else that is not TLS on the tunnel's port", (t) => {
  t.is(classify(connection(TUNNEL, HTTP_REQUEST)).plaintextPackets, 1);
  t.is(classify(connection(TUNNEL, Buffer.from("+OK\r\n"))).plaintextPackets, 1);
});

test("WireClassifier counts text inside of application data records", (t) => {
  const stream = Buffer.concat([tlsRecord(22, Buffer.alloc(40, 1)), tlsRecord(23, Buffer.from("x".repeat(32)))]);
  t.like(classify(connection(TUNNEL, stream)).offendingPackets[0], { reason: "readable-text" });
});

test("WireClassifier allows names in handshakes", (t) => {
  const hello = tlsRecord(22, Buffer.concat([Buffer.from([1, 0, 0, 60]), Buffer.alloc(60, "n")]));
  t.is(classify(connection(TUNNEL, hello)).plaintextPackets, 0);
});

test("WireClassifier counts everything after a TLS stream turned into something else", (t) => {
  const stream = Buffer.concat([tlsRecord(23, CIPHERTEXT), Buffer.from("+OK\r\n"), tlsRecord(23, CIPHERTEXT)]);
  const frames = connection(TUNNEL, stream, 405);
  t.is(classify(frames).plaintextPackets, 2);
});

test("WireClassifier judges a retransmission once and is not confused by it", (t) => {
  const frames = connection(TUNNEL_BACK, serverStream(), 500);
  const again = frames.flatMap((frame) => [frame, frame]);
  t.like(classify(again), { plaintextPackets: 0, unsyncedPackets: 0 });
});

test("WireClassifier judges connections older than the capture by their text", (t) => {
  const middle = [CIPHERTEXT.subarray(3), HTTP_REQUEST].map((payload, n) =>
    tcpFrame({ ...TUNNEL, sequence: 1000 * n, payload }),
  );
  t.like(classify(middle), { plaintextPackets: 1, unsyncedPackets: 2 });
});

test("WireClassifier finds the records of an older connection at a record's start", (t) => {
  const record = tlsRecord(23, CIPHERTEXT);
  const frames = [CIPHERTEXT, record, record].map((payload, n) =>
    tcpFrame({ ...TUNNEL, sequence: n === 0 ? 0 : 9000 + record.length * n, payload }),
  );
  t.is(classify(frames).plaintextPackets, 0);
});

test("WireClassifier counts text between nodes on any port, but not other bytes", (t) => {
  const nodes = { source: NODE, sourcePort: 50_000, destination: "192.168.1.2", destinationPort: 9000 };
  t.is(classify(connection(nodes, HTTP_REQUEST)).plaintextPackets, 1);
  t.is(classify(connection(nodes, CIPHERTEXT)).plaintextPackets, 0);
});

test("WireClassifier counts UDP payload between pods apart", (t) => {
  const summary = classify([
    udpFrame({ ...DIRECT, payload: Buffer.from("q") }),
    udpFrame({ ...DIRECT, source: NODE, payload: Buffer.from("q") }),
  ]);
  t.like(summary, { plaintextPackets: 1, plaintextUdpPackets: 1, packets: 2 });
});

test("WireClassifier keeps a bounded number of samples", (t) => {
  const summary = classify(Array.from({ length: 100 }, () => tcpFrame({ ...DIRECT, payload: HTTP_REQUEST })));
  t.is(summary.plaintextPackets, 100);
  t.is(summary.offendingPackets.length, 8);
});
