import test from "ava";
import { addressFamily, formatHostPort, normalizeAddress, normalizeCidr } from "../../../routing/address.ts";

const SPELLINGS: [string, string | undefined][] = [
  ["10.0.0.1", "10.0.0.1"],
  ["::ffff:10.0.0.1", "10.0.0.1"],
  ["::ffff:a00:1", "10.0.0.1"],
  ["FD00:0:0:0::1", "fd00::1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["fe80::1%eth0", "fe80::1"],
  ["::1", "::1"],
  ["10.0.0", undefined],
  ["010.0.0.1", undefined],
  ["0x7f.1", undefined],
  ["1", undefined],
  ["256.0.0.1", undefined],
  [":::", undefined],
  ["", undefined],
  ["10.0.0.1:80", undefined],
];

for (const [text, normal] of SPELLINGS) {
  test(`address "${text}" is ${normal ?? "none"}`, (t) => t.is(normalizeAddress(text), normal));
}

test("a CIDR loses host bits and other spellings", (t) => {
  t.is(normalizeCidr("10.1.2.3/8"), "10.0.0.0/8");
  t.is(normalizeCidr("FD00:0::1/64"), "fd00::/64");
  t.is(normalizeCidr("10.0.0.0"), undefined);
  t.is(normalizeCidr("10.0.0.0/33"), undefined);
});

test("an IPv6 address with a port is in brackets", (t) => {
  t.is(formatHostPort("fd00::1", 80), "[fd00::1]:80");
  t.is(formatHostPort("10.0.0.1", 80), "10.0.0.1:80");
  t.is(addressFamily("fd00::1"), 6);
  t.is(addressFamily("10.0.0.1"), 4);
});
