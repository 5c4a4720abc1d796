import test from "ava";
import fc from "fast-check";
import { MAX_COUNTER_SERIES, OVERFLOW_LABEL, SERIES_IDLE_MS } from "../../../../agent/telemetry/limits.ts";
import type { ConnectionLabels, MetricsBatch } from "../../../../agent/telemetry/metrics-batch.ts";
import { WorkerMetrics } from "../../../../agent/telemetry/worker-metrics.ts";
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

function counterValue(batch: MetricsBatch, name: string, ...labelValues: string[]): number | undefined {
  return batch.counters.find((each) => each.name === name && each.labelValues.join() === labelValues.join())?.value;
}

test("connections of one label set share their counters", (t) => {
  const metrics = new WorkerMetrics({ clock: new FakeClock() });
  const first = metrics.connectionOpened(LABELS);
  const second = metrics.connectionOpened({ ...LABELS });
  t.is(first, second);
  first.sentBytes += 10;
  second.receivedBytes += 20;
  metrics.connectionClosed(first, "closed");
  t.deepEqual(metrics.collect().connections, [
    { labels: LABELS, opened: 2, openChange: 1, closed: { closed: 1 }, sentBytes: 10, receivedBytes: 20 },
  ]);
});

test("a batch holds only what changed since the last one", (t) => {
  const metrics = new WorkerMetrics({ clock: new FakeClock() });
  const counters = metrics.connectionOpened(LABELS);
  metrics.dial("ok");
  metrics.connectDuration(LABELS, 3);
  metrics.collect();
  t.deepEqual(metrics.collect(), {
    connections: [],
    counters: [],
    connectDurations: [],
    requests: [],
    gauges: {
      tunnelsOpen: 0,
      streamsOpen: 0,
      bufferedBytes: 0,
      upstreamsOpen: 0,
      idleUpstreams: 0,
      waitingRequests: 0,
      requestsOpen: 0,
      timersOpen: 0,
      heapBytes: 0,
      externalBytes: 0,
    },
    resources: {},
    circuits: [],
  });
  counters.sentBytes += 5;
  t.like(metrics.collect().connections[0], { opened: 0, openChange: 0, sentBytes: 5, receivedBytes: 0 });
});

test("batches can be posted to another thread", (t) => {
  const metrics = new WorkerMetrics({ clock: new FakeClock() });
  metrics.connectionClosed(metrics.connectionOpened(LABELS), "reset-by-pod");
  metrics.handshake("ok", "TLSv1.3", "X25519MLKEM768", true);
  metrics.connectDuration(LABELS, 1);
  const batch = metrics.collect();
  t.deepEqual(structuredClone(batch), batch);
});

test("every counter carries the labels of its definition", (t) => {
  const metrics = new WorkerMetrics({ clock: new FakeClock() });
  metrics.handshake("ok", "TLSv1.3", "X25519MLKEM768", false);
  metrics.dial("timeout");
  metrics.retry();
  metrics.retry();
  metrics.ejection("shop/catalog", "connect-failures");
  metrics.refused("no-agent");
  metrics.limitHit("streamsPerTunnel");
  const batch = metrics.collect();
  t.is(counterValue(batch, "handshakes", "ok", "TLSv1.3", "X25519MLKEM768", "false"), 1);
  t.is(counterValue(batch, "dials", "timeout"), 1);
  t.is(counterValue(batch, "retries"), 2);
  t.is(counterValue(batch, "ejections", "shop/catalog", "connect-failures"), 1);
  t.is(counterValue(batch, "refused", "no-agent"), 1);
  t.is(counterValue(batch, "limitHits", "streamsPerTunnel"), 1);
});

test("gauges are absolute and copied into the batch", (t) => {
  const metrics = new WorkerMetrics({ clock: new FakeClock() });
  metrics.gauges.tunnelsOpen = 3;
  const batch = metrics.collect();
  metrics.gauges.tunnelsOpen = 9;
  t.is(batch.gauges.tunnelsOpen, 3);
});

test("durations fall into the bucket whose upper bound includes them", (t) => {
  const metrics = new WorkerMetrics({ clock: new FakeClock() });
  for (const durationMs of [0.5, 0.6, 60_000]) metrics.connectDuration(LABELS, durationMs);
  const [durations] = metrics.collect().connectDurations;
  t.is(durations?.buckets[0], 1);
  t.is(durations?.buckets[1], 1);
  t.is(durations?.buckets.at(-1), 1);
  t.true(Math.abs((durations?.sumSeconds ?? 0) - 60.0011) < 1e-9);
});

test("label sets beyond the bound are counted together as other, and the limit is counted", (t) => {
  const metrics = new WorkerMetrics({ clock: new FakeClock(), maxConnectionSeries: 2 });
  for (let index = 0; index < 10; index += 1) {
    metrics.connectionOpened({ ...LABELS, sourceWorkload: `client-${index}` }).sentBytes += 1;
  }
  const batch = metrics.collect();
  const overflow = batch.connections.find(({ labels }) => labels.sourceWorkload === OVERFLOW_LABEL);
  t.is(batch.connections.length, 3);
  t.like(overflow, { opened: 8, sentBytes: 8 });
  t.is(counterValue(batch, "limitHits", "connection-series"), 8);
});

test("a label set that went quiet makes room, one with an open connection stays", (t) => {
  const clock = new FakeClock();
  const metrics = new WorkerMetrics({ clock, maxConnectionSeries: 2 });
  const open = metrics.connectionOpened({ ...LABELS, sourceWorkload: "open" });
  metrics.connectionClosed(metrics.connectionOpened({ ...LABELS, sourceWorkload: "quiet" }), "closed");
  metrics.collect();
  clock.advance(SERIES_IDLE_MS + 1);
  metrics.collect();
  metrics.connectionOpened({ ...LABELS, sourceWorkload: "new" });
  open.sentBytes += 1;
  const names = metrics.collect().connections.map(({ labels }) => labels.sourceWorkload);
  t.deepEqual(names.toSorted(), ["new", "open"]);
});

test("counters of unexpected variety stay within their bound", (t) => {
  const metrics = new WorkerMetrics({ clock: new FakeClock() });
  for (let index = 0; index < MAX_COUNTER_SERIES * 3; index += 1) metrics.ejection(`shop/service-${index}`, "latency");
  const batch = metrics.collect();
  t.is(batch.counters.length, MAX_COUNTER_SERIES + 1);
  t.is(counterValue(batch, "ejections", OVERFLOW_LABEL, OVERFLOW_LABEL), MAX_COUNTER_SERIES * 2);
});

test("the sum of all batches is what happened, wherever the batches are cut", (t) => {
  const event = fc.oneof(
    fc.record({ kind: fc.constant("open" as const), client: fc.nat(4) }),
    fc.record({ kind: fc.constant("close" as const), reason: fc.constantFrom("closed", "reset-by-pod") }),
    fc.record({ kind: fc.constant("bytes" as const), count: fc.nat(100_000) }),
    fc.record({ kind: fc.constant("collect" as const) }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const metrics = new WorkerMetrics({ clock: new FakeClock(), maxConnectionSeries: 3 });
      const open: ReturnType<WorkerMetrics["connectionOpened"]>[] = [];
      const batches: MetricsBatch[] = [];
      const happened = { opened: 0, closed: 0, bytes: 0 };
      for (const each of events) {
        if (each.kind === "open") {
          open.push(metrics.connectionOpened({ ...LABELS, sourceWorkload: `client-${each.client}` }));
          happened.opened += 1;
        } else if (each.kind === "collect") batches.push(metrics.collect());
        else {
          const counters = open.at(-1);
          if (counters === undefined) continue;
          if (each.kind === "bytes") {
            counters.sentBytes += each.count;
            happened.bytes += each.count;
          } else {
            metrics.connectionClosed(counters, each.reason);
            open.pop();
            happened.closed += 1;
          }
        }
      }
      batches.push(metrics.collect());
      const all = batches.flatMap((batch) => batch.connections);
      const sum = (of: (delta: (typeof all)[number]) => number) => all.reduce((total, delta) => total + of(delta), 0);
      return (
        sum((delta) => delta.opened) === happened.opened &&
        sum((delta) => delta.sentBytes) === happened.bytes &&
        sum((delta) => delta.openChange) === open.length &&
        sum((delta) => Object.values(delta.closed).reduce((a, b) => a + b, 0)) === happened.closed
      );
    }),
  );
  t.pass();
});
