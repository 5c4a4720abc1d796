import test from "ava";
import { returnMemoryRegularly } from "../../../core/return-memory.ts";
import { CollectingLog } from "../../support/collecting-log.ts";
import { FakeClock } from "../../support/fake-clock.ts";

test("memory is given back when the start is over, and then regularly", (t) => {
  const [clock, log, calls] = [new FakeClock(), new CollectingLog(), [] as string[]];
  returnMemoryRegularly({
    clock,
    log,
    periodMs: 60_000,
    trim: () => calls.push("trim"),
  });
  clock.advance(19_999);
  t.deepEqual(calls, []);
  clock.advance(1);
  t.deepEqual(calls, ["trim"]);
  clock.advance(120_000);
  t.deepEqual(calls, ["trim", "trim", "trim"]);
  t.deepEqual(log.events, ["memory-returned", "memory-returned", "memory-returned"]);
  t.true(log.lines.every(({ level }) => level === "debug"));
  t.true(Number(log.lines[0]?.fields["residentBytes"]) > 1_000_000);
});

test("where memory cannot be given back, a debug line says so and nothing is tried again", (t) => {
  for (const working of [0, 1]) {
    const [clock, log] = [new FakeClock(), new CollectingLog()];
    let tries = 0;
    returnMemoryRegularly({
      clock,
      log,
      periodMs: 60_000,
      trim: () => {
        tries += 1;
        if (tries > working) throw new Error("no malloc_trim in this libc");
      },
    });
    clock.advance(600_000);
    t.is(tries, working + 1);
    t.is(clock.pendingTimers, 0);
    const last = log.lines.at(-1);
    t.like(last, { level: "debug", fields: { event: "memory-kept", error: "no malloc_trim in this libc" } });
  }
});
