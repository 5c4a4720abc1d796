import test from "ava";
import { parseSettings } from "../../../agent/settings.ts";

const REQUIRED = ["--node", "n", "--controller", "wss://c:15012", "--token-file", "/t", "--ca-file", "/r"];

test("the metrics port is off unless it is asked for", (t) => {
  t.is(parseSettings(REQUIRED).metrics, undefined);
  t.is(parseSettings([...REQUIRED, "--metrics", ""]).metrics, undefined);
});

test("a host of IPv6 may stand without brackets, as a manifest puts it together", (t) => {
  const metrics = (text: string) => parseSettings([...REQUIRED, "--metrics", text]).metrics;
  t.deepEqual(metrics("192.0.2.7:15020"), { host: "192.0.2.7", port: 15020 });
  t.deepEqual(metrics("fd00::7:15020"), { host: "fd00::7", port: 15020 });
  t.deepEqual(metrics("[fd00::7]:15020"), { host: "fd00::7", port: 15020 });
  t.deepEqual(metrics("localhost:0"), { host: "localhost", port: 0 });
});

test("how connections are handed over is the agent's choice unless it is asked for", (t) => {
  t.is(parseSettings(REQUIRED).intercept, "auto");
  t.is(parseSettings([...REQUIRED, "--intercept", "redirect"]).intercept, "redirect");
});

for (const wrong of [":15020", "192.0.2.7", "192.0.2.7:99999", "[192.0.2.7]:1", "not::v6::at:all:15020"]) {
  test(`no metrics port: ${wrong}`, (t) => {
    t.throws(() => parseSettings([...REQUIRED, "--metrics", wrong]), { code: "wrong-settings", message: /--metrics/ });
  });
}
