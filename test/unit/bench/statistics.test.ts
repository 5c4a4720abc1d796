/** Medians, quantiles and spread. */
import test from "ava";
import { median, quantile, relativeSpread } from "../../../bench/statistics.ts";

test("a median lies in the middle of the values, whatever their order", (t) => {
  t.is(median([3, 1, 2]), 2);
  t.is(median([4, 1, 3, 2]), 2.5);
  t.is(median([7]), 7);
  t.is(median([]), Number.NaN);
});

test("a quantile lies between two values in proportion", (t) => {
  t.is(quantile([10, 20, 30, 40, 50], 0.25), 20);
  t.is(quantile([0, 10], 0.1), 1);
});

test("a spread is that of the extremes of a few values", (t) => {
  t.is(relativeSpread([90, 100, 120]), 0.3);
  t.is(relativeSpread([5, 5]), 0);
});

test("a spread is that of the quartiles from five values on, so that one outlier does not count", (t) => {
  t.is(relativeSpread([100, 100, 100, 100, 1_000]), 0);
});

test("one value has no spread", (t) => {
  t.is(relativeSpread([1]), undefined);
  t.is(relativeSpread([]), undefined);
});
