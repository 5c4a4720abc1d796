import test from "ava";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { Cidr } from "../../../../agent/netfilter/cidr.ts";

test("an IPv4 CIDR holds the addresses that the library says it holds", (t) => {
  // Neighbours of each other, so that about half of the addresses are held.
  const near = fc.tuple(fc.ipV4(), fc.nat(31)).map(([text, bit]) => {
    const [a = 0, b = 0, c = 0, d = 0] = ipaddr.IPv4.parse(text).toByteArray();
    const flipped = (((a << 24) | (b << 16) | (c << 8) | d) ^ (1 << bit)) >>> 0;
    return [text, [24, 16, 8, 0].map((shift) => (flipped >>> shift) & 255).join(".")] as const;
  });
  fc.assert(
    fc.property(near, fc.integer({ min: 0, max: 32 }), ([network, address], length) => {
      const expected = ipaddr.IPv4.parse(address).match(ipaddr.IPv4.parse(network), length);
      t.is(Cidr.parse(`${network}/${length}`)?.holds(address), expected);
      t.true(Cidr.parse(`${network}/${length}`)?.holds(network));
    }),
    { numRuns: 1_000 },
  );
});

test("a CIDR holds no address of the other family", (t) => {
  t.false(Cidr.parse("0.0.0.0/0")?.holds("fd00::1"));
  t.false(Cidr.parse("::/0")?.holds("10.0.0.1"));
  t.true(Cidr.parse("fd00::/64")?.holds("fd00::1"));
  t.true(Cidr.parse("10.0.0.1")?.holds("10.0.0.1"));
});
