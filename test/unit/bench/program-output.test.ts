/** What the programs that make traffic print, and what is read from it. */
import test from "ava";
import { parseH2load } from "../../../bench/loads/parse-h2load.ts";
import { parseIperf } from "../../../bench/loads/parse-iperf.ts";
import { parseRequests } from "../../../bench/loads/parse-requests.ts";
import { parseWrk } from "../../../bench/loads/parse-wrk.ts";
import { parseStat } from "../../../bench/measure/machine-cpu.ts";

const WRK = `Running 1s test @ http://10.244.2.2:8080/
  1 threads and 1 connections
Requests/sec:   2643.24

{"requests":2670,"durationUs":1010112,"p50Us":351,"p99Us":1204,"p999Us":2217,"errors":0}
`;

test("wrk's figures are found among its words for people", (t) => {
  t.deepEqual(parseWrk(WRK), {
    requests: 2_670,
    durationUs: 1_010_112,
    p50Us: 351,
    p99Us: 1_204,
    p999Us: 2_217,
    errors: 0,
  });
});

test("wrk without figures is an error that shows what it said instead", (t) => {
  t.throws(() => parseWrk("unable to connect to 10.244.2.2:8080 Connection refused"), {
    code: "no-figures",
    message: /Connection refused/,
  });
});

test("h2load's figures are found among its words for people", (t) => {
  const line = "requests: 20 total, 24 started, 20 done, 18 succeeded, 2 failed, 1 errored, 1 timeout";
  t.deepEqual(parseH2load(`finished in 1.02s, 19.60 req/s, 2.0MB/s\n${line}\n`), { requests: 18, errors: 2 });
  t.throws(() => parseH2load("could not resolve host"), { code: "no-figures", message: /could not resolve host/ });
});

test("iperf3's sum of what arrived is read", (t) => {
  const report = { end: { sum_sent: { bytes: 9, seconds: 1 }, sum_received: { bytes: 8, seconds: 2, other: 1 } } };
  t.deepEqual(parseIperf(JSON.stringify(report)), { bytes: 8, seconds: 2 });
});

test("iperf3's own error is told", (t) => {
  t.throws(() => parseIperf(JSON.stringify({ end: {}, error: "the server is busy" })), {
    code: "no-figures",
    message: /the server is busy/,
  });
});

test("an iperf3 that printed no report, or received nothing, is an error", (t) => {
  t.throws(() => parseIperf("Segmentation fault"), { code: "no-figures" });
  t.throws(() => parseIperf(JSON.stringify({ end: { sum_received: { bytes: 0, seconds: 0 } } })), {
    code: "no-figures",
  });
});

test("nginx's count of requests is read from its status", (t) => {
  const status =
    "Active connections: 1 \nserver accepts handled requests\n 3 3 2678 \nReading: 0 Writing: 1 Waiting: 0 \n";
  t.is(parseRequests(status), 2_678);
  t.throws(() => parseRequests("<html>404</html>"), { code: "no-figures" });
});

test("the line of all processors of /proc/stat is read", (t) => {
  const text = "cpu  100 10 50 800 20 3 7 5 0 0\ncpu0 50 5 25 400 10 1 3 2 0 0\n";
  t.deepEqual(parseStat(text), { user: 110, system: 50, interrupts: 10, steal: 5, idle: 820 });
});
