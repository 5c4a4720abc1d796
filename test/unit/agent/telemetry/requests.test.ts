import test from "ava";
import { MAX_REQUEST_SERIES } from "../../../../agent/telemetry/limits.ts";
import { AgentMetrics } from "../../../../agent/telemetry/metrics.ts";
import type { RequestLabels } from "../../../../agent/telemetry/metrics-batch.ts";
import { logRequest, type RequestRecord } from "../../../../agent/telemetry/request-log.ts";
import { WorkerMetrics } from "../../../../agent/telemetry/worker-metrics.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { RecordingLog } from "../../../support/recording-log.ts";

const LABELS: RequestLabels = {
  sourceWorkload: "front",
  sourceNamespace: "shop",
  destinationService: "shop/catalog",
  route: "shop/catalog 0",
  backend: "shop/catalog-v2",
};
const SERIES =
  'source_workload="front",source_namespace="shop",destination_service="shop/catalog",route="shop/catalog 0",' +
  'backend="shop/catalog-v2"';

const RECORD: RequestRecord = {
  source: { address: "10.244.1.2:4711" },
  service: "shop/catalog",
  port: 80,
  method: "GET",
  path: "/",
  route: undefined,
  backend: undefined,
  endpoint: undefined,
  tries: 1,
  status: 200,
  reason: "answered",
  detail: undefined,
  bytesSent: 0,
  bytesReceived: 0,
  durationMs: 1.23,
};

function setUp() {
  const clock = new FakeClock();
  const metrics = new AgentMetrics({ clock, version: "1.2.3", processMetrics: false });
  const worker = new WorkerMetrics({ clock });
  return { metrics, worker, collect: () => metrics.merge(0, worker.collect()) };
}

test("requests are counted by class and reason, and their durations", async (t) => {
  const { metrics, worker, collect } = setUp();
  worker.requests.add(LABELS, 200, "answered", 3);
  collect();
  worker.requests.add(LABELS, 204, "answered", 30);
  worker.requests.add(LABELS, 503, "no-endpoints", 1);
  worker.requests.add(LABELS, undefined, "client-gone", 100_000);
  collect();
  collect();
  const text = await metrics.text();
  const has = (line: string): boolean => t.true(text.includes(`${line}\n`), line);
  has(`hawser_http_requests_total{${SERIES},code_class="2xx",reason="answered"} 2`);
  has(`hawser_http_requests_total{${SERIES},code_class="5xx",reason="no-endpoints"} 1`);
  has(`hawser_http_requests_total{${SERIES},code_class="none",reason="client-gone"} 1`);
  has(`hawser_http_request_duration_seconds_bucket{${SERIES},le="0.005"} 2`);
  has(`hawser_http_request_duration_seconds_bucket{${SERIES},le="+Inf"} 4`);
  has(`hawser_http_request_duration_seconds_count{${SERIES}} 4`);
});

test("label sets are bounded, in a worker and in total", async (t) => {
  const { metrics, worker, collect } = setUp();
  for (let index = 0; index < MAX_REQUEST_SERIES + 10; index += 1) {
    worker.requests.add({ ...LABELS, route: `shop/${index} 0` }, 200, "answered", 1);
  }
  collect();
  worker.requests.add({ ...LABELS, route: "shop/new 0" }, 200, "answered", 1);
  collect();
  const text = await metrics.text();
  const other = /hawser_http_requests_total\{source_workload="other",[^}]*code_class="2xx",reason="answered"\} (\d+)/;
  t.is(other.exec(text)?.[1], "11");
  t.regex(text, /hawser_limit_hits_total\{limit="request-series"\} 10/);
});

for (const [reason, status, level] of [
  ["answered", 200, "debug"],
  ["answered", 503, "debug"],
  ["redirect", 302, "debug"],
  ["no-match", 404, "info"],
  ["fallback", 200, "info"],
  ["fallback", 503, "warn"],
  ["client-gone", undefined, "info"],
  ["no-endpoints", 503, "warn"],
  ["answer-cut-short", undefined, "warn"],
] as const) {
  test(`${reason} ${status} is told at level ${level}`, (t) => {
    const log = new RecordingLog();
    logRequest(log, { ...RECORD, reason, status });
    t.is(log.lines[0]?.level, level);
    t.like(log.lines[0]?.fields, { event: "request", reason, durationMs: 1.2 });
  });
}
