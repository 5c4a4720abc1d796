import test from "ava";
import { logConnection } from "../../../../agent/telemetry/connection-log.ts";
import type { ConnectionRecord } from "../../../../agent/telemetry/connection-log.ts";
import { CollectingLog } from "../../../support/collecting-log.ts";

const RECORD: ConnectionRecord = {
  direction: "outbound",
  source: {
    address: "10.244.1.2:40000",
    workload: "front",
    namespace: "shop",
    pod: "front-1",
    identity: "spiffe://cluster.local/ns/shop/sa/front",
  },
  destination: { address: "10.244.2.7:8080", workload: "catalog", namespace: "shop", service: "shop/catalog" },
  path: "tunnel",
  bytesSent: 100,
  bytesReceived: 2000,
  durationMs: 12.3456,
  reason: "closed",
};

test("a connection that closed leaves one info line with everything in it", (t) => {
  const log = new CollectingLog();
  logConnection(log, RECORD);
  t.is(log.lines.length, 1);
  t.is(log.lines[0]?.level, "info");
  t.deepEqual(log.lines[0]?.fields, { event: "connection", ...RECORD, durationMs: 12.3 });
});

test("a reset by the application is no warning", (t) => {
  const log = new CollectingLog();
  logConnection(log, { ...RECORD, reason: "reset-by-pod" });
  t.is(log.lines[0]?.level, "info");
});

test("a connection that failed or was refused is a warning with its detail", (t) => {
  const log = new CollectingLog();
  logConnection(log, { ...RECORD, path: undefined, reason: "connect-failed", detail: "10.244.2.7:8080 refused" });
  t.is(log.lines[0]?.level, "warn");
  t.like(log.lines[0]?.fields, { reason: "connect-failed", detail: "10.244.2.7:8080 refused" });
});
