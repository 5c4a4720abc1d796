import test from "ava";
import { coveringCidr, hostAt, PodAddresses } from "../../../lab/cluster/addresses.ts";

test("a host of a CIDR is found by number", (t) => {
  t.is(hostAt("10.244.1.0/24", 1), "10.244.1.1");
  t.is(hostAt("10.244.0.0/16", 300), "10.244.1.44");
  t.is(hostAt("fd10:244:1::/64", 2), "fd10:244:1::2");
});

test("a CIDR that is too small has no such host", (t) => {
  t.throws(() => hostAt("10.0.0.0/30", 4), { code: "cidr-full" });
});

test("the covering CIDR is the smallest that holds all", (t) => {
  t.is(coveringCidr(["10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24"]), "10.244.0.0/22");
  t.is(coveringCidr(["fd10:244:1::/64", "fd10:244:2::/64"]), "fd10:244::/46");
  t.is(coveringCidr(["10.244.1.0/24"]), "10.244.1.0/24");
  t.is(coveringCidr([]), undefined);
});

test("a released pod address is not handed out again at once", (t) => {
  const addresses = new PodAddresses(["10.244.1.0/24", "fd10:244:1::/64"]);
  const first = addresses.take();
  t.deepEqual(first, ["10.244.1.2", "fd10:244:1::2"]);
  addresses.release(first);
  t.deepEqual(addresses.take(), ["10.244.1.3", "fd10:244:1::3"]);
});

test("a reserved pod address is skipped", (t) => {
  const addresses = new PodAddresses(["10.244.1.0/24"]);
  addresses.reserve(["10.244.1.2"]);
  t.deepEqual(addresses.take(), ["10.244.1.3"]);
});

test("a full node refuses another pod", (t) => {
  const addresses = new PodAddresses(["10.244.1.0/24"]);
  for (let count = 0; count < 249; count += 1) addresses.take();
  t.throws(() => addresses.take(), { code: "cidr-full" });
});
