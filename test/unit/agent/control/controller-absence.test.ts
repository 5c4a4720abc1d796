import test from "ava";
import { ControllerAbsence } from "../../../../agent/control/controller-absence.ts";
import { controlLimits } from "../../../../agent/control/limits.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

test("a table is old when no controller was there for a while, and fresh again with the channel", (t) => {
  const clock = new FakeClock();
  const absence = new ControllerAbsence(clock);
  clock.advance(controlLimits.staleTableMs - 1);
  t.deepEqual(absence.pending(), []);
  clock.advance(1);
  t.deepEqual(absence.pending(), ["fresh table: no controller for 60 s, traffic goes on by the last one"]);
  absence.ended();
  t.deepEqual(absence.pending(), []);
});

test("tries that fail do not begin the absence anew", (t) => {
  const clock = new FakeClock();
  const absence = new ControllerAbsence(clock);
  absence.ended();
  absence.began();
  clock.advance(controlLimits.staleTableMs / 2);
  absence.began();
  clock.advance(controlLimits.staleTableMs / 2);
  t.is(absence.pending().length, 1);
});
