import test from "ava";
import { QuotaBucket, type QuotaRate } from "../../../../agent/quota/quota-bucket.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

const PER_MS = 1_000;
const none: QuotaRate = { rate: 0, burst: 5, reserve: 0, credit: 0 };

function takeAll(bucket: QuotaBucket, nowMs: number): number {
  let taken = 0;
  while (bucket.take(nowMs)) taken += 1;
  return taken;
}

test("a new bucket is full, and nothing comes before a rate is set", (t) => {
  const bucket = new QuotaBucket(3, PER_MS, 0);
  t.is(takeAll(bucket, 0), 3);
  t.is(bucket.waitMs(0), Infinity);
  t.is(takeAll(bucket, 10_000), 0);
});

test("tokens come at the rate, and the wait is until the next whole one", (t) => {
  const bucket = new QuotaBucket(5, PER_MS, 0);
  takeAll(bucket, 0);
  bucket.set({ ...none, rate: 0.1 }, 0);
  t.is(bucket.waitMs(0), 10);
  t.is(Math.round(bucket.waitMs(4)), 6);
  t.is(takeAll(bucket, 30), 3);
});

test("what does not fit is told once", (t) => {
  const bucket = new QuotaBucket(5, PER_MS, 0);
  bucket.set({ ...none, rate: 0.1 }, 0);
  t.is(bucket.takeUnused(100), 10);
  t.is(bucket.takeUnused(100), 0);
  bucket.set({ ...none, burst: 1 }, 100);
  t.is(bucket.takeUnused(100), 4);
});

test("a credit comes besides what fits", (t) => {
  const bucket = new QuotaBucket(5, PER_MS, 0);
  bucket.set({ ...none, credit: 7 }, 0);
  t.is(takeAll(bucket, 0), 12);
});

test("a burst of what was not needed in this period passes", (t) => {
  const bucket = new QuotaBucket(5, PER_MS, 0);
  bucket.set({ ...none, rate: 0.1, reserve: 20 }, 0);
  t.is(takeAll(bucket, 100), 15);
  t.is(bucket.takeUnused(100), 0);
});

test("after a burst of what was not needed long ago, the rate makes up for it within a period", (t) => {
  const bucket = new QuotaBucket(5, PER_MS, 0);
  bucket.set({ ...none, rate: 0.1, reserve: 20 }, 0);
  bucket.takeUnused(10_000);
  let taken = takeAll(bucket, 20_000);
  t.is(taken, 25);
  for (let nowMs = 20_001; nowMs <= 21_000; nowMs += 1) taken += takeAll(bucket, nowMs);
  t.true(taken >= 100 && taken <= 107, `${taken} in a period`);
});

test("no period has much more than its rate, however requests come", (t) => {
  const random = seededRandom(3);
  const bucket = new QuotaBucket(5, PER_MS, 0);
  bucket.set({ ...none, rate: 0.1, reserve: 20 }, 0);
  const taken: number[] = [];
  let most = 0;
  for (let nowMs = 0; nowMs < 60_000; nowMs += 10) {
    const wanted = random() < 0.05 ? Math.floor(random() * 60) : 0;
    let got = 0;
    while (got < wanted && bucket.take(nowMs)) got += 1;
    taken.push(got);
    most = Math.max(
      most,
      taken.slice(-100).reduce((sum, each) => sum + each, 0),
    );
  }
  // Of what was saved in the last period, a part may be of the one before.
  t.true(most <= 125, `${most} in a period`);
});
