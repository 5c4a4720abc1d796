import test from "ava";
import { MAX_COUNTER_SERIES, SERIES_IDLE_MS } from "../../../../agent/telemetry/limits.ts";
import { AgentMetrics } from "../../../../agent/telemetry/metrics.ts";
import { WorkerMetrics } from "../../../../agent/telemetry/worker-metrics.ts";
import type { ConnectionLabels } from "../../../../agent/telemetry/metrics-batch.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const LABELS: ConnectionLabels = {
  direction: "outbound",
  path: "tunnel",
  sourceWorkload: "front",
  sourceNamespace: "shop",
  destinationService: "shop/catalog",
  destinationWorkload: "catalog",
  destinationNamespace: "shop",
};
const SERIES =
  'direction="outbound",source_workload="front",source_namespace="shop",destination_service="shop/catalog",' +
  'destination_workload="catalog",destination_namespace="shop",path="tunnel"';

function setUp(maxConnectionSeries = 100) {
  const clock = new FakeClock();
  const metrics = new AgentMetrics({ clock, version: "1.2.3", processMetrics: false, maxConnectionSeries });
  const workers = [new WorkerMetrics({ clock }), new WorkerMetrics({ clock })] as const;
  const collect = (): void => workers.forEach((worker, index) => metrics.merge(index, worker.collect()));
  return { clock, metrics, workers, collect };
}

/** Value of the line that starts with `series`. */
function valueOf(text: string, series: string): number | undefined {
  const line = text.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

test("connections of all workers are added up", async (t) => {
  const { metrics, workers, collect } = setUp();
  for (const worker of workers) {
    const counters = worker.connectionOpened(LABELS);
    worker.connectionOpened(LABELS);
    counters.sentBytes += 100;
    counters.receivedBytes += 1;
    worker.connectionClosed(counters, "closed");
  }
  collect();
  collect();
  const text = await metrics.text();
  t.is(valueOf(text, `hawser_connections_opened_total{${SERIES}}`), 4);
  t.is(valueOf(text, `hawser_connections_closed_total{${SERIES},reason="closed"}`), 2);
  t.is(valueOf(text, `hawser_open_connections{${SERIES}}`), 2);
  t.is(valueOf(text, `hawser_sent_bytes_total{${SERIES}}`), 200);
  t.is(valueOf(text, `hawser_received_bytes_total{${SERIES}}`), 2);
  t.like(metrics.totals(), { connectionsOpened: 4, sentBytes: 200, receivedBytes: 2 });
});

test("a worker that ends takes its open connections and gauges with it, its counts stay", async (t) => {
  const { metrics, workers, collect } = setUp();
  for (const worker of workers) {
    worker.connectionOpened(LABELS);
    worker.gauges.tunnelsOpen = 4;
  }
  collect();
  t.is(valueOf(await metrics.text(), "hawser_tunnels_open"), 8);
  metrics.forgetWorker(0);
  const text = await metrics.text();
  t.is(valueOf(text, `hawser_open_connections{${SERIES}}`), 1);
  t.is(valueOf(text, "hawser_tunnels_open"), 4);
  t.is(valueOf(text, `hawser_connections_opened_total{${SERIES}}`), 2);
});

test("the connect duration histogram is cumulative over all workers", async (t) => {
  const { metrics, workers, collect } = setUp();
  workers[0].connectDuration(LABELS, 0.4);
  workers[1].connectDuration(LABELS, 3);
  workers[1].connectDuration(LABELS, 20_000);
  collect();
  const text = await metrics.text();
  const bucket = (le: string): number | undefined =>
    valueOf(text, `hawser_connect_duration_seconds_bucket{direction="outbound",path="tunnel",le="${le}"}`);
  t.regex(text, /# TYPE hawser_connect_duration_seconds histogram/);
  t.is(bucket("0.0005"), 1);
  t.is(bucket("0.005"), 2);
  t.is(bucket("10"), 2);
  t.is(bucket("+Inf"), 3);
  t.is(valueOf(text, 'hawser_connect_duration_seconds_count{direction="outbound",path="tunnel"}'), 3);
});

test("counters of workers carry their label names", async (t) => {
  const { metrics, workers, collect } = setUp();
  workers[0].handshake("ok", "TLSv1.3", "X25519MLKEM768", true);
  workers[0].dial("failed");
  workers[1].retry();
  workers[1].ejection("shop/catalog", "latency");
  workers[1].refused("no-agent");
  workers[1].limitHit("lanesPerKey");
  collect();
  const text = await metrics.text();
  const handshake = 'result="ok",tls_version="TLSv1.3",key_exchange="X25519MLKEM768",resumed="true"';
  t.is(valueOf(text, `hawser_tunnel_handshakes_total{${handshake}}`), 1);
  t.is(valueOf(text, 'hawser_dials_total{result="failed"}'), 1);
  t.is(valueOf(text, "hawser_retries_total"), 1);
  t.is(valueOf(text, 'hawser_ejections_total{service="shop/catalog",cause="latency"}'), 1);
  t.is(valueOf(text, 'hawser_refused_total{reason="no-agent"}'), 1);
  t.is(valueOf(text, 'hawser_limit_hits_total{limit="lanesPerKey"}'), 1);
  t.is(metrics.totals().refused, 1);
});

test("control metrics show what was last told", async (t) => {
  const { metrics } = setUp();
  metrics.tableApplied(17);
  metrics.channelConnected(true);
  metrics.ruleRepair();
  metrics.controlEvent("certificates", "issued");
  metrics.certificates([{ identity: "spiffe://a/ns/b/sa/c", notAfterMs: 1_800_000_000_000 }]);
  const text = await metrics.text();
  t.is(valueOf(text, "hawser_table_sequence"), 17);
  t.is(valueOf(text, "hawser_channel_connected"), 1);
  t.is(valueOf(text, "hawser_rule_repairs_total"), 1);
  t.is(valueOf(text, 'hawser_control_events_total{component="certificates",event="issued"}'), 1);
  t.is(valueOf(text, 'hawser_certificate_expiry_seconds{identity="spiffe://a/ns/b/sa/c"}'), 1_800_000_000);
  t.is(valueOf(text, 'hawser_build_info{version="1.2.3"}'), 1);
});

test("the certificate of an identity that left is shown no more", async (t) => {
  const { metrics } = setUp();
  metrics.certificates([{ identity: "spiffe://a/ns/b/sa/c", notAfterMs: 1 }]);
  metrics.certificates([]);
  t.notRegex(await metrics.text(), /sa\/c/);
});

test("label sets of all workers together stay within the bound", async (t) => {
  const { metrics, workers, collect } = setUp(10);
  for (let index = 0; index < 50; index += 1) {
    workers[0].connectionOpened({ ...LABELS, sourceWorkload: `client-${index}` });
  }
  collect();
  const text = await metrics.text();
  t.is(text.split("\n").filter((line) => line.startsWith("hawser_connections_opened_total{")).length, 11);
  t.is(valueOf(text, 'hawser_limit_hits_total{limit="connection-series"}'), 40);
});

test("counters of unexpected variety stay within the bound over time", async (t) => {
  const { metrics, workers, collect } = setUp();
  for (let index = 0; index < MAX_COUNTER_SERIES * 2; index += 1) {
    workers[0].ejection(`shop/service-${index}`, "latency");
    if (index % 100 === 0) collect();
  }
  collect();
  const text = await metrics.text();
  t.true(
    text.split("\n").filter((line) => line.startsWith("hawser_ejections_total{")).length <= MAX_COUNTER_SERIES + 1,
  );
  t.is(valueOf(text, 'hawser_ejections_total{service="other",cause="other"}'), MAX_COUNTER_SERIES);
});

test("a label set that went quiet disappears from the text", async (t) => {
  const { clock, metrics, workers, collect } = setUp();
  workers[0].connectionClosed(workers[0].connectionOpened(LABELS), "closed");
  collect();
  clock.advance(SERIES_IDLE_MS + 60_000);
  workers[0].connectionOpened({ ...LABELS, sourceWorkload: "someone-else" });
  collect();
  const text = await metrics.text();
  t.notRegex(text, /source_workload="front"/);
  t.regex(text, /source_workload="someone-else"/);
});

test("process metrics come with the text when asked for", async (t) => {
  const metrics = new AgentMetrics({ clock: new FakeClock(), version: "1", processMetrics: true });
  t.regex(await metrics.text(), /^process_resident_memory_bytes \d+/m);
});
