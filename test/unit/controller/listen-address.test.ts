import test from "ava";
import { parseListenAddress } from "../../../controller/listen-address.ts";

test("parseListenAddress reads hosts, both families and every address", (t) => {
  t.deepEqual(parseListenAddress("127.0.0.1:15010"), { host: "127.0.0.1", port: 15_010 });
  t.deepEqual(parseListenAddress("[::1]:0"), { host: "::1", port: 0 });
  t.deepEqual(parseListenAddress("localhost:80"), { host: "localhost", port: 80 });
  t.deepEqual(parseListenAddress(":15012"), { port: 15_012 });
  t.deepEqual(parseListenAddress("15012"), { port: 15_012 });
});

test("parseListenAddress refuses what is no address", (t) => {
  for (const text of [
    "",
    "x",
    "1.2.3.4",
    "1.2.3.4:x",
    "1.2.3:80",
    "[::g]:80",
    "::1:80:",
    "a:70000",
    "a:-1",
    "a b:80",
  ]) {
    t.throws(() => parseListenAddress(text), { code: "invalid-address" }, text);
  }
});
