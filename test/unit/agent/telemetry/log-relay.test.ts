import test from "ava";
import { LOG_FLUSH_MS, MAX_QUEUED_LOG_RECORDS } from "../../../../agent/telemetry/limits.ts";
import { LogRelay, packLogBatch, relayToPino, unpackLogBatch } from "../../../../agent/telemetry/log-relay.ts";
import type { LogBatch } from "../../../../agent/telemetry/log-relay.ts";
import type { LogLevel } from "../../../../core/log.ts";
import type { TimedLog } from "../../../../core/pino-log.ts";
import { CollectingLog } from "../../../support/collecting-log.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

function setUp(level: LogLevel = "debug") {
  const clock = new FakeClock();
  const batches: LogBatch[] = [];
  let dropped = 0;
  // As it crosses threads.
  const post = (batch: LogBatch): void => void batches.push(unpackLogBatch(packLogBatch(batch)));
  const relay = new LogRelay({ post, clock, level, onDropped: () => (dropped += 1) });
  return { clock, batches, relay, dropped: () => dropped };
}

test("records are posted together after a moment, with level and time", (t) => {
  const { clock, batches, relay } = setUp();
  relay.info({ event: "a" }, "First");
  clock.advance(10);
  relay.error({ event: "b" }, "Second");
  t.is(batches.length, 0);
  clock.advance(LOG_FLUSH_MS);
  t.is(batches.length, 1);
  t.deepEqual(
    batches[0]?.records.map(({ level, fields, message }) => [level, fields["event"], message]),
    [
      ["info", "a", "First"],
      ["error", "b", "Second"],
    ],
  );
  t.is((batches[0]?.records[1]?.timeMs ?? 0) - (batches[0]?.records[0]?.timeMs ?? 0), 10);
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
    batches.flatMap((batch) => batch.records.map((record) => record.message)),
    ["c"],
  );
});

test("a full queue drops what comes, counts it, and says so in the next batch", (t) => {
  const { batches, relay, clock, dropped } = setUp();
  for (let index = 0; index < MAX_QUEUED_LOG_RECORDS + 25; index += 1) relay.info({}, "flood");
  t.is(dropped(), 25);
  clock.advance(LOG_FLUSH_MS);
  t.is(batches[0]?.records.length, MAX_QUEUED_LOG_RECORDS);
  t.is(batches[0]?.dropped, 25);
  relay.info({}, "after");
  clock.advance(LOG_FLUSH_MS);
  t.is(batches[1]?.dropped, 0);
  t.is(batches[1]?.records.length, 1);
});

test("the main thread writes each record with its time and worker, and a line for what was dropped", (t) => {
  class TimedCollectingLog extends CollectingLog implements TimedLog {
    readonly times: number[] = [];
    at(timeMs: number, level: LogLevel, fields: Readonly<Record<string, unknown>>, message: string): void {
      this.times.push(timeMs);
      this[level](fields, message);
    }
    flush(): void {}
  }
  const log = new TimedCollectingLog();
  const records = [{ level: "warn" as const, timeMs: 5, fields: { event: "x" }, message: "Said" }];
  relayToPino({ records, dropped: 7 }, log, 2);
  t.deepEqual(log.times, [5]);
  t.deepEqual(log.lines[0], { level: "warn", fields: { event: "x", worker: 2 }, message: "Said" });
  t.like(log.lines[1]?.fields, { event: "log-dropped", worker: 2, dropped: 7 });
});
