import test from "ava";
import { Convergence } from "../../../controller/convergence.ts";
import { limits } from "../../../controller/limits.ts";
import { FakeClock } from "../../support/fake-clock.ts";

test("the time from publication to applied is measured per agent and change", (t) => {
  const clock = new FakeClock();
  const convergence = new Convergence(clock);
  t.deepEqual(convergence.summary(), { samples: 0, p50Ms: undefined, p99Ms: undefined });
  convergence.published(1, true);
  clock.advance(10);
  convergence.applied(0, 1, 0);
  convergence.published(2, false);
  clock.advance(5);
  convergence.published(3, false);
  clock.advance(15);
  convergence.applied(1, 3, 0);
  t.deepEqual(convergence.summary(), { samples: 3, p50Ms: 15, p99Ms: 20 });
});

test("changes from before the agent's channel do not count", (t) => {
  const clock = new FakeClock();
  const convergence = new Convergence(clock);
  convergence.published(1, true);
  clock.advance(60_000);
  convergence.applied(0, 1, clock.monotonicMs());
  t.is(convergence.summary().samples, 0);
});

test("samples are bounded, and a sequence out of nowhere costs nothing", (t) => {
  const clock = new FakeClock();
  const convergence = new Convergence(clock);
  for (let sequence = 1; sequence <= limits.convergenceSamples + 100; sequence += 1) {
    convergence.published(sequence, sequence === 1);
    convergence.applied(sequence - 1, sequence, 0);
  }
  convergence.applied(0, Number.MAX_SAFE_INTEGER, 0);
  t.is(convergence.summary().samples, limits.convergenceSamples);
});
