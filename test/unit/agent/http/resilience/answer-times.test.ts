import test from "ava";
import { AnswerTimes } from "../../../../../agent/http/resilience/answer-times.ts";
import { seededRandom } from "../../../../support/seeded-random.ts";

test("little says nothing", (t) => {
  const times = new AnswerTimes(0.95);
  for (let count = 0; count < 39; count += 1) times.observe(10);
  t.is(times.quantileMs, undefined);
  times.observe(10);
  t.true((times.quantileMs ?? 0) >= 10 && (times.quantileMs ?? 0) <= 11, String(times.quantileMs));
});

test("the quantile is right within a tenth, never below", (t) => {
  const random = seededRandom(7);
  const times = new AnswerTimes(0.95);
  const seen = Array.from({ length: 900 }, () => 1 + 999 * random());
  for (const ms of seen) times.observe(ms);
  const exact = seen.toSorted((a, b) => a - b)[Math.floor(0.95 * seen.length)] as number;
  const found = times.quantileMs ?? 0;
  t.true(found >= exact * 0.97 && found <= exact * 1.15, `${found} for ${exact}`);
});

test("old answers are forgotten in favour of new ones", (t) => {
  const times = new AnswerTimes(0.95);
  for (let count = 0; count < 3_000; count += 1) times.observe(500);
  for (let count = 0; count < 5_000; count += 1) times.observe(2);
  t.true((times.quantileMs ?? 0) < 3, String(times.quantileMs));
});

test("what is beyond all buckets is in the last one, what is below in the first", (t) => {
  const slow = new AnswerTimes(0.95);
  const quick = new AnswerTimes(0.95);
  for (let count = 0; count < 100; count += 1) {
    slow.observe(10 * 60_000);
    quick.observe(0);
  }
  t.true((slow.quantileMs ?? 0) > 60_000);
  t.is(quick.quantileMs, 0.25);
});
