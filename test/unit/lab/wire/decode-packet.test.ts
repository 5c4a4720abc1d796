import test from "ava";
import fc from "fast-check";
import { decodePacket } from "../../../../lab/wire/decode-packet.ts";
import { ethernet, ip, tcpFrame, udpFrame } from "../../../support/packet-builder.ts";

const IPV4 = { source: "10.244.1.2", sourcePort: 40_000, destination: "10.244.2.3", destinationPort: 80 };
const IPV6 = { source: "fd00:10:244:1::2", sourcePort: 40_000, destination: "fd00:10:244:2::3", destinationPort: 80 };

for (const [family, ends] of [
  ["IPv4", IPV4],
  ["IPv6", IPV6],
] as const) {
  test(`decodePacket reads TCP over ${family}`, (t) => {
    const packet = decodePacket(tcpFrame({ ...ends, sequence: 7, flags: 0x18, payload: Buffer.from("GET /") }));
    t.like(packet, { protocol: 6, sourcePort: 40_000, destinationPort: 80, sequence: 7, flags: 0x18 });
    t.is(packet?.payload.toString(), "GET /");
  });

  test(`decodePacket reads UDP over ${family}`, (t) => {
    const packet = decodePacket(udpFrame({ ...ends, payload: Buffer.from("query") }));
    t.like(packet, { protocol: 17, destinationPort: 80 });
    t.is(packet?.payload.toString(), "query");
  });
}

test("decodePacket leaves out Ethernet's padding after a short packet", (t) => {
  const packet = decodePacket(Buffer.concat([tcpFrame(IPV4), Buffer.alloc(6)]));
  t.is(packet?.payload.length, 0);
});

test("decodePacket steps over IPv6 extension headers", (t) => {
  const segment = tcpFrame(IPV6).subarray(54);
  const hopByHop = Buffer.concat([Buffer.from([60, 0]), Buffer.alloc(6)]);
  const options = Buffer.concat([Buffer.from([6, 1]), Buffer.alloc(14)]);
  const bytes = ip(IPV6.source, IPV6.destination, 0, Buffer.concat([hopByHop, options, segment]));
  t.like(decodePacket(ethernet(bytes)), { protocol: 6, destinationPort: 80 });
});

test("decodePacket marks later fragments, which have no ports", (t) => {
  const bytes = tcpFrame(IPV4);
  bytes.writeUInt16BE(100, 14 + 6);
  t.like(decodePacket(bytes), { laterFragment: true, destinationPort: 0 });
  const fragment = Buffer.concat([Buffer.from([6, 0, 0x00, 0x08, 0, 0, 0, 1]), Buffer.from("middle")]);
  t.like(decodePacket(ethernet(ip(IPV6.source, IPV6.destination, 44, fragment))), { laterFragment: true, protocol: 6 });
});

test("decodePacket gives nothing for ARP", (t) => {
  t.is(decodePacket(Buffer.concat([Buffer.alloc(12), Buffer.from([0x08, 0x06]), Buffer.alloc(28)])), undefined);
});

test("decodePacket never throws on cut or corrupt frames", (t) => {
  const seeds = [tcpFrame(IPV4), tcpFrame(IPV6), udpFrame(IPV6)];
  const corrupt = fc.tuple(fc.constantFrom(...seeds), fc.nat(100), fc.array(fc.tuple(fc.nat(100), fc.nat(255))));
  const property = fc.property(corrupt, ([seed, length, edits]) => {
    const bytes = Buffer.from(seed.subarray(0, length));
    for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
    t.notThrows(() => decodePacket(bytes));
  });
  fc.assert(property, { numRuns: 500 });
});
