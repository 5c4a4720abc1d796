import test from "ava";
import { outgoingOrFromPort } from "../../../../lab/wire/packet-filter.ts";
import { tcpFrame, udpFrame } from "../../../support/packet-builder.ts";

const INCOMING = 0;
const OUTGOING = 4;

/** Runs a classic BPF program as the kernel would; only the operations that the filter uses. True = taken. */
function takes(program: Buffer, frame: Buffer, packetType: number): boolean {
  let accumulator = 0;
  let index = 0;
  for (let at = 0; at < program.length; at += 8) {
    const constant = program.readUInt32LE(at + 4);
    switch (program.readUInt16LE(at)) {
      case 0x20:
        accumulator = packetType;
        break;
      case 0x28:
        accumulator = frame.readUInt16BE(constant);
        break;
      case 0x30:
        accumulator = frame.readUInt8(constant);
        break;
      case 0x48:
        accumulator = frame.readUInt16BE(index + constant);
        break;
      case 0xb1:
        index = 4 * (frame.readUInt8(constant) & 0x0f);
        break;
      case 0x15:
        at += 8 * program.readUInt8(at + (accumulator === constant ? 2 : 3));
        break;
      case 0x06:
        return constant !== 0;
      default:
        throw new Error(`Unknown operation at ${at}`);
    }
  }
  throw new Error("Program has no end");
}

const FILTER = outgoingOrFromPort(15_012);
const IPV4 = { source: "10.90.0.1", sourcePort: 15_012, destination: "10.90.0.11", destinationPort: 40_000 };
const IPV6 = { ...IPV4, source: "fd90::1", destination: "fd90::11" };

test("outgoingOrFromPort takes everything that goes out", (t) => {
  for (const frame of [tcpFrame({ ...IPV4, sourcePort: 80 }), udpFrame(IPV6)]) t.true(takes(FILTER, frame, OUTGOING));
});

test("outgoingOrFromPort takes what comes in by TCP from the port", (t) => {
  for (const fields of [IPV4, IPV6]) t.true(takes(FILTER, tcpFrame(fields), INCOMING));
});

test("outgoingOrFromPort leaves everything else that comes in", (t) => {
  for (const fields of [IPV4, IPV6]) {
    t.false(takes(FILTER, tcpFrame({ ...fields, sourcePort: 40_000, destinationPort: 15_012 }), INCOMING));
    t.false(takes(FILTER, udpFrame(fields), INCOMING));
  }
  const arp = Buffer.concat([Buffer.alloc(12), Buffer.from([0x08, 0x06]), Buffer.alloc(46)]);
  t.false(takes(FILTER, arp, INCOMING));
});
