import test from "ava";
import { Traceparents } from "../../../../agent/outbound/traceparents.ts";

test("values are well formed and never come twice, also across refills of the pool", (t) => {
  const traceparents = new Traceparents();
  const values = Array.from({ length: 1_000 }, () => traceparents.next());
  for (const value of values) t.regex(value, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  t.is(new Set(values.flatMap((value) => value.split("-").slice(1, 3))).size, 2_000);
});
