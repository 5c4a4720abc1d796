import test from "ava";
import { LOG_FLUSH_MS, MAX_QUEUED_LOG_LINES } from "../../../../agent/telemetry/limits.ts";
import { type LogBatch, LogRelay, relayLines } from "../../../../agent/telemetry/log-relay.ts";
import type { LogLevel } from "../../../../core/log.ts";
import type { RelayedLog } from "../../../../core/pino-log.ts";
import { CollectingLog } from "../../../support/collecting-log.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

function setUp(level: LogLevel = "debug") {
  const clock = new FakeClock();
  const batches: LogBatch[] = [];
  let dropped = 0;
  const post = (batch: LogBatch): void => void batches.push(batch);
  const relay = new LogRelay({ post, clock, level, base: { worker: 3 }, onDropped: () => (dropped += 1) });
  return { clock, batches, relay, dropped: () => dropped };
}

/** The lines of a batch, read back. */
function linesOf(batch: LogBatch | undefined): readonly Record<string, unknown>[] {
  const ended = (batch?.lines ?? "").split("\n");
  return ended.slice(0, -1).map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("lines are posted together after a moment, with level, time and what all have in common", (t) => {
  const { clock, batches, relay } = setUp();
  relay.info({ event: "a" }, "First");
  clock.advance(10);
  relay.error({ event: "b" }, "Second");
  t.is(batches.length, 0);
  clock.advance(LOG_FLUSH_MS);
  t.is(batches.length, 1);
  const [first, second] = linesOf(batches[0]);
  t.like(first, { level: "info", worker: 3, event: "a", msg: "First" });
  t.like(second, { level: "error", worker: 3, event: "b", msg: "Second" });
  t.is(Date.parse(String(second?.["time"])) - Date.parse(String(first?.["time"])), 10);
});

test("nothing is posted and no timer runs while nothing is said", (t) => {
  const { clock, batches, relay } = setUp();
  t.is(clock.pendingTimers, 0);
  relay.flush();
  clock.advance(10 * LOG_FLUSH_MS);
  t.is(batches.length, 0);
});

test("lines below the level are not queued", (t) => {
  const { batches, relay } = setUp("warn");
  relay.debug({}, "a");
  relay.info({}, "b");
  relay.warn({}, "c");
  relay.flush();
  t.deepEqual(
    linesOf(batches[0]).map(({ msg }) => msg),
    ["c"],
  );
});

test("a full queue drops what comes, counts it, and says so in the next batch", (t) => {
  const { batches, relay, clock, dropped } = setUp();
  for (let index = 0; index < MAX_QUEUED_LOG_LINES + 25; index += 1) relay.info({}, "flood");
  t.is(dropped(), 25);
  clock.advance(LOG_FLUSH_MS);
  t.is(linesOf(batches[0]).length, MAX_QUEUED_LOG_LINES);
  t.is(batches[0]?.dropped, 25);
  relay.info({}, "after");
  clock.advance(LOG_FLUSH_MS);
  t.is(batches[1]?.dropped, 0);
  t.is(linesOf(batches[1]).length, 1);
});

test("the main thread writes the lines, and one for what was dropped", (t) => {
  class RecordingLog extends CollectingLog implements RelayedLog {
    readonly written: string[] = [];
    writeLines(lines: string): void {
      this.written.push(lines);
    }
    flush(): void {}
  }
  const log = new RecordingLog();
  relayLines({ lines: "a\nb\n", dropped: 7 }, log, 2);
  relayLines({ lines: "", dropped: 0 }, log, 2);
  t.deepEqual(log.written, ["a\nb\n"]);
  t.is(log.lines.length, 1);
  t.like(log.lines[0]?.fields, { event: "log-dropped", worker: 2, dropped: 7 });
});
