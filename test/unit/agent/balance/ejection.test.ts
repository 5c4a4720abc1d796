import test from "ava";
import fc from "fast-check";
import { Ejection } from "../../../../agent/balance/ejection.ts";
import { PROBE_PATIENCE_MS } from "../../../../agent/balance/limits.ts";
import type { EjectionSettings } from "../../../../protocol/table.ts";

const SETTINGS: EjectionSettings = {
  consecutiveFailures: 3,
  baseEjectionMs: 1_000,
  maxEjectionMs: 6_000,
  maxEjectionPercent: 50,
};

function provenEjection(): Ejection {
  const ejection = new Ejection();
  ejection.succeeded(0);
  return ejection;
}

test("an ejection is asked for only after enough failures in a row", (t) => {
  const ejection = new Ejection();
  t.false(ejection.failed(SETTINGS));
  t.false(ejection.failed(SETTINGS));
  ejection.succeeded(0);
  t.false(ejection.failed(SETTINGS));
  t.false(ejection.failed(SETTINGS));
  t.true(ejection.failed(SETTINGS));
});

test("an ejection is never asked for when the settings say 0 failures", (t) => {
  const ejection = new Ejection();
  const never = { ...SETTINGS, consecutiveFailures: 0 };
  for (let count = 0; count < 100; count += 1) t.false(ejection.failed(never));
});

test("an ejected endpoint is not available until its time is over", (t) => {
  const ejection = provenEjection();
  t.is(ejection.eject(SETTINGS, 100), 1_000);
  t.is(ejection.state, "ejected");
  t.false(ejection.isAvailable(1_099));
  t.true(ejection.isAvailable(1_100));
});

test("failures of connections that were under way when it was ejected change nothing", (t) => {
  const ejection = provenEjection();
  ejection.eject(SETTINGS, 0);
  for (let count = 0; count < 10; count += 1) t.false(ejection.failed(SETTINGS));
  t.is(ejection.untilMs, 1_000);
});

test("ejections that follow each other double up to the maximum", (t) => {
  const ejection = provenEjection();
  const periods = Array.from({ length: 5 }, (_, index) => {
    const periodMs = ejection.eject(SETTINGS, index);
    ejection.probeStarted(index);
    return periodMs;
  });
  t.deepEqual(periods, [1_000, 2_000, 4_000, 6_000, 6_000]);
});

test("an ejection soon after a return is longer, one after a long good time starts from the base", (t) => {
  const ejection = provenEjection();
  ejection.eject(SETTINGS, 0);
  ejection.succeeded(1_000);
  t.is(ejection.eject(SETTINGS, 2_000), 2_000);
  ejection.succeeded(4_000);
  t.is(ejection.eject(SETTINGS, 4_000 + SETTINGS.maxEjectionMs + 1), 1_000);
});

test("an endpoint that never took a connection is soon tried again, and at the base once it has", (t) => {
  const ejection = new Ejection();
  const periods = Array.from({ length: 6 }, (_, index) => {
    const periodMs = ejection.eject(SETTINGS, index);
    ejection.probeStarted(index);
    return periodMs;
  });
  t.deepEqual(periods, [250, 500, 1_000, 2_000, 4_000, 6_000]);
  ejection.succeeded(10);
  t.is(ejection.eject(SETTINGS, 20), 1_000);
});

test("a probe that is under way keeps others away, until the patience with it ends", (t) => {
  const ejection = new Ejection();
  ejection.eject(SETTINGS, 0);
  ejection.probeStarted(1_000);
  t.is(ejection.state, "probing");
  t.false(ejection.isAvailable(1_001));
  t.true(ejection.isAvailable(1_000 + PROBE_PATIENCE_MS));
});

test("an abandoned probe lets the next one try at once", (t) => {
  const ejection = new Ejection();
  ejection.eject(SETTINGS, 0);
  ejection.probeStarted(1_000);
  ejection.probeAbandoned(1_500);
  t.is(ejection.state, "ejected");
  t.true(ejection.isAvailable(1_500));
});

test("any success brings an endpoint back, and says so once", (t) => {
  const ejection = new Ejection();
  ejection.eject(SETTINGS, 0);
  t.true(ejection.succeeded(10));
  t.is(ejection.state, "serving");
  t.false(ejection.succeeded(11));
});

test("no sequence of events ejects for longer than the maximum or for less than the base", (t) => {
  const step = fc.constantFrom("eject", "probe", "success", "failure", "abandon");
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.nat(10_000)), { maxLength: 100 }), (steps) => {
      const ejection = provenEjection();
      let nowMs = 0;
      for (const [what, afterMs] of steps) {
        nowMs += afterMs;
        if (what === "probe" && ejection.state !== "serving") ejection.probeStarted(nowMs);
        if (what === "success") ejection.succeeded(nowMs);
        if (what === "failure") ejection.failed(SETTINGS);
        if (what === "abandon") ejection.probeAbandoned(nowMs);
        if (what !== "eject") continue;
        const periodMs = ejection.eject(SETTINGS, nowMs);
        if (periodMs < SETTINGS.baseEjectionMs || periodMs > SETTINGS.maxEjectionMs) return false;
      }
      return true;
    }),
  );
  t.pass();
});
