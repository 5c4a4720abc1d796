import test from "ava";
import { readGrpcTimeout, writeGrpcTimeout } from "../../../../../agent/http/grpc/grpc-timeout.ts";

for (const [text, ms] of [
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["3S", 3_000],
  ["250m", 250],
  ["500u", 0.5],
  ["1n", 0.000_001],
  ["0m", 0],
  ["99999999m", 99_999_999],
] as const) {
  test(`${text} is ${ms} ms`, (t) => t.is(readGrpcTimeout(text), ms));
}

for (const text of [undefined, "", "1", "m", "1s", "-1m", "1.5S", "123456789m", " 1m", "1m, 2m"]) {
  test(`${text} is not understood`, (t) => t.is(readGrpcTimeout(text), undefined));
}

test("longer than any timer is without end", (t) => {
  t.is(readGrpcTimeout("99999999H"), undefined);
  t.is(readGrpcTimeout("596H"), 596 * 3_600_000);
  t.is(readGrpcTimeout("597H"), undefined);
});

test("never more than what is left is told, in up to eight digits", (t) => {
  t.is(writeGrpcTimeout(99.9), "99m");
  t.is(writeGrpcTimeout(-5), "0m");
  t.is(writeGrpcTimeout(100_000_999), "100000S");
});
