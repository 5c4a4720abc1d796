import test from "ava";
import { createPinoLog } from "../../../core/pino-log.ts";
import type { LogLevel } from "../../../core/log.ts";

function setUp(level: LogLevel = "info") {
  const lines: Record<string, unknown>[] = [];
  const destination = {
    write: (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>),
  };
  const log = createPinoLog({ level, base: { component: "agent", node: "node-1" }, destination });
  return { log, lines };
}

test("a line is one JSON object with level, time, base fields, own fields and message", (t) => {
  const { log, lines } = setUp();
  log.warn({ event: "drained", left: 3 }, "Drained");
  const [line] = lines;
  t.like(line, { level: "warn", component: "agent", node: "node-1", event: "drained", left: 3, msg: "Drained" });
  t.regex(String(line?.["time"]), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test("lines below the level are not written", (t) => {
  const { log, lines } = setUp("warn");
  log.debug({}, "a");
  log.info({}, "b");
  log.error({}, "c");
  t.deepEqual(
    lines.map((line) => line["msg"]),
    ["c"],
  );
});

test("lines of another thread are written as they are, between its own", (t) => {
  const { log, lines } = setUp();
  log.writeLines('{"msg":"theirs","level":"debug"}\n');
  log.info({}, "ours");
  t.deepEqual(lines[0], { msg: "theirs", level: "debug" });
  t.is(lines[1]?.["msg"], "ours");
});

test("a text that only looks like a secret's field stays", (t) => {
  const { log, lines } = setUp();
  log.info({ detail: 'said {"token":"x"}' }, "Quoted");
  t.like(lines[0], { detail: 'said {"token":"x"}', msg: "Quoted" });
});

test("fields that hold keys and tokens are redacted", (t) => {
  const { log, lines } = setUp();
  log.info({ token: "t0k3n", bundle: { keyPem: "-----BEGIN PRIVATE KEY-----" }, event: "odd" }, "Oops");
  log.info({ a: { b: [{ privateKey: { pem: "PRIVATE KEY" } }] } }, "Deep");
  t.notRegex(JSON.stringify(lines), /t0k3n|PRIVATE KEY/);
  t.like(lines[0], { event: "odd", token: "[Redacted]", msg: "Oops" });
});
