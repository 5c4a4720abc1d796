import { setImmediate } from "node:timers/promises";
import test from "ava";
import { CHECK_PERIOD_MS, MAX_CHECK_PERIOD_MS } from "../../../../agent/netfilter/limits.ts";
import { Reconciler } from "../../../../agent/netfilter/reconciler.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

/** A check that answers what it is told, and counts. */
function reconcilerWith(check: () => Promise<boolean>) {
  const clock = new FakeClock();
  const reconciler = new Reconciler({ check, clock });
  reconciler.start();
  const advance = async (byMs: number): Promise<void> => {
    clock.advance(byMs);
    await setImmediate();
  };
  return { clock, reconciler, advance };
}

test("sound rules are looked at every period, one look at a time", async (t) => {
  let checks = 0;
  const { advance, reconciler, clock } = reconcilerWith(async () => {
    checks += 1;
    return false;
  });
  for (let round = 0; round < 10; round += 1) await advance(CHECK_PERIOD_MS);
  t.is(checks, 10);
  reconciler.start();
  t.is(clock.pendingTimers, 1, "starting twice is starting once");
  reconciler.stop();
  await advance(CHECK_PERIOD_MS * 5);
  t.is(checks, 10);
});

test("damage that returns every time is looked at less and less often, and failures too", async (t) => {
  for (const outcome of [async () => true, async () => Promise.reject(new Error("iptables is gone"))]) {
    let checks = 0;
    const { advance } = reconcilerWith(() => {
      checks += 1;
      return outcome();
    });
    for (let round = 0; round < 4; round += 1) await advance(CHECK_PERIOD_MS);
    t.is(checks, 4, "a few accidents in a row change nothing");
    await advance(CHECK_PERIOD_MS);
    t.is(checks, 4);
    await advance(CHECK_PERIOD_MS);
    t.is(checks, 5);
    for (let round = 0; round < 10; round += 1) await advance(MAX_CHECK_PERIOD_MS);
    t.is(checks, 15, "but never less often than the maximum");
  }
});

test("one sound look restores the usual period", async (t) => {
  let checks = 0;
  let damaged = true;
  const { advance } = reconcilerWith(async () => {
    checks += 1;
    return damaged;
  });
  for (let round = 0; round < 10; round += 1) await advance(MAX_CHECK_PERIOD_MS);
  damaged = false;
  await advance(MAX_CHECK_PERIOD_MS);
  const before = checks;
  await advance(CHECK_PERIOD_MS);
  t.is(checks, before + 1);
});

test("a check that takes long is not joined by another", async (t) => {
  let checks = 0;
  const { advance } = reconcilerWith(() => {
    checks += 1;
    return new Promise(() => {});
  });
  for (let round = 0; round < 5; round += 1) await advance(CHECK_PERIOD_MS);
  t.is(checks, 1);
});
