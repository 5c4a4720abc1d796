import test from "ava";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { CidrIndex } from "../../../routing/cidr-index.ts";

test("the longest CIDR that holds the address wins", (t) => {
  const index = new CidrIndex();
  index.add("10.0.0.0/8", "wide");
  index.add("10.1.0.0/16", "narrow");
  index.add("fd00::/16", "six");
  t.is(index.get("10.1.2.3"), "narrow");
  t.is(index.get("10.2.2.3"), "wide");
  t.is(index.get("11.0.0.1"), undefined);
  t.is(index.get("fd00:1::1"), "six");
  index.remove("10.1.0.0/16", "narrow");
  t.is(index.get("10.1.2.3"), "wide");
});

test("texts that are no CIDR or no address are never found", (t) => {
  const index = new CidrIndex();
  index.add("10.0.0.0", "x");
  t.is(index.get("10.0.0.0"), undefined);
  index.add("0.0.0.0/0", "all");
  t.is(index.get("1.2.3.4"), "all");
  t.is(index.get("nonsense"), undefined);
  t.is(index.get("::1"), undefined);
});

const cidr = fc
  .tuple(fc.constantFrom("10.1.2.3", "10.1.130.7", "10.200.0.1"), fc.constantFrom(7, 8, 16, 17, 24, 32))
  .map(([address, length]) => `${ipaddr.IPv4.networkAddressFromCIDR(`${address}/${length}`).toString()}/${length}`);

test("after any additions and removals the answer is that of a search through all", (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(cidr, fc.boolean())), (steps) => {
      const index = new CidrIndex();
      const present = new Set<string>();
      for (const [text, add] of steps) {
        if (add === present.has(text)) continue;
        if (add) index.add(text, text);
        else index.remove(text, text);
        if (add) present.add(text);
        else present.delete(text);
      }
      for (const address of ["10.1.2.3", "10.1.2.4", "10.1.130.7", "10.200.0.1", "11.0.0.1"]) {
        const holding = [...present].filter((text) => ipaddr.parse(address).match(ipaddr.parseCIDR(text)));
        const longest = holding.sort((a, b) => Number(b.split("/")[1]) - Number(a.split("/")[1]))[0];
        t.is(index.get(address), longest);
      }
    }),
  );
});
