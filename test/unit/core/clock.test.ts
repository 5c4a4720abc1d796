/** The clock that ships. */
import test from "ava";
import { systemClock } from "../../../core/clock.ts";

test("a timer that is set for longer than Node can wait does not fire at once", async (t) => {
  const warnings: string[] = [];
  const onWarning = ({ name }: Error): unknown => warnings.push(name);
  process.on("warning", onWarning);
  let hasFired = false;
  const timer = systemClock.after(600 * 3_600_000, () => (hasFired = true));
  // Of two that are due at once, the one that was set first fires first.
  await new Promise<void>((resolve) => setTimeout(resolve, 1));
  timer.cancel();
  process.off("warning", onWarning);
  t.false(hasFired);
  t.deepEqual(warnings, []);
});
