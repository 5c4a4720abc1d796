import test from "ava";
import { parseWrk } from "../../../bpf-notes/wrk.ts";

const PRINTED = `Running 3s test @ http://10.244.2.2:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.49ms  733.02us  13.22ms   80.17%
  Latency Distribution
     50%    2.37ms
     75%    2.70ms
     99%    5.59ms
  77094 requests in 3.01s, 18.75MB read
Requests/sec:  25612.62
Transfer/sec:      6.23MB
`;

test("wrk: requests, rate and median latency are read", (t) => {
  const result = parseWrk(PRINTED, "call");
  t.is(result.units, 77_094);
  t.is(Math.round(result.unitsPerSecond), 25_613);
  t.is(result.p50Ms, 2.37);
  t.is(result.failed, 0);
});

test("wrk: bulk counts MiB, whatever wrk's unit", (t) => {
  t.is(parseWrk(PRINTED, "MiB").units, 18.75);
  t.is(parseWrk(PRINTED.replace("18.75MB", "1.50GB"), "MiB").units, 1_536);
  t.is(parseWrk(PRINTED.replace("18.75MB", "512.00KB"), "MiB").units, 0.5);
});

test("wrk: errors of either kind are counted", (t) => {
  const errors = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n";
  t.is(parseWrk(`${PRINTED}${errors}`, "call").failed, 15);
});

test("wrk: text that is not wrk's, and a run without an answer, are refused", (t) => {
  t.throws(() => parseWrk("unable to connect", "call"), { code: "wrk-failed" });
  t.throws(() => parseWrk(PRINTED.replace("77094", "0"), "call"), { code: "wrk-failed" });
});
