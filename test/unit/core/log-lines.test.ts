import test from "ava";
import { LogLines } from "../../../core/log-lines.ts";
import type { LogFields } from "../../../core/log.ts";
import { createPinoLog } from "../../../core/pino-log.ts";

const BASE = { component: "agent", node: "node-1" };
const TIME_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

/** What pino says, at our time. */
function byPino(fields: LogFields, message: string): string {
  let line = "";
  const log = createPinoLog({ level: "info", base: BASE, destination: { write: (text) => void (line = text) } });
  log.info(fields, message);
  return line.replace(/"time":"[^"]+"/, '"time":"2026-01-02T03:04:05.678Z"');
}

test("a line is to the letter what pino writes", (t) => {
  const lines = new LogLines(BASE);
  const cases: readonly LogFields[] = [
    { event: "connection", source: { address: "10.0.0.1:80", pod: undefined }, bytes: 0, gone: undefined, none: null },
    { detail: 'quotes ", backslash \\, line\nend, \u2028 and \ud800', list: [1, "two", { three: 3 }] },
    { ratio: Number.NaN, when: new Date(TIME_MS), ok: true },
    {},
  ];
  for (const fields of cases) {
    t.is(lines.format(TIME_MS, "info", fields, 'Said "so"'), byPino(fields, 'Said "so"'));
  }
});

test("without fields of its own and without a base a line is level, time and message", (t) => {
  t.is(
    new LogLines({}).format(TIME_MS, "warn", {}, "Alone"),
    '{"level":"warn","time":"2026-01-02T03:04:05.678Z","msg":"Alone"}\n',
  );
});

test("fields that hold secrets are redacted", (t) => {
  const line = new LogLines(BASE).format(TIME_MS, "info", { a: { token: "t0k3n" } }, "Oops");
  t.false(line.includes("t0k3n"));
  t.like(JSON.parse(line), { a: { token: "[Redacted]" }, msg: "Oops" });
});
