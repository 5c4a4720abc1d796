/** A stream from another node towards a local pod, whose application is a real server. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import test from "ava";
import { InboundConnection } from "../../../agent/inbound/inbound-connection.ts";
import { WriteCoalescer } from "../../../agent/relay/write-coalescer.ts";
import { WorkerMetrics } from "../../../agent/telemetry/worker-metrics.ts";
import type { IncomingStream, ServerTunnel } from "../../../agent/tunnel/engine.ts";
import { ConnectionRegistry } from "../../../agent/worker/connection-registry.ts";
import { TableState } from "../../../routing/table-state.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLog } from "../../support/recording-log.ts";
import { dialRaw, PodProbe } from "../../support/socket-pair.ts";
import { testNode, testTable, testWorkload } from "../../support/test-tables.ts";

const IDENTITY = "spiffe://cluster.local/ns/shop/sa/default";
const [CLIENT, POD, NODE] = ["10.244.1.2", "10.244.2.1", "192.0.2.1"];

test("a caller that gives up while the application is dialled is a reset to it, never an end", async (t) => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const { port } = server.address() as AddressInfo;
  const clock = new FakeClock();
  const table = new TableState(
    testTable({
      nodes: [testNode("node-1", { addresses: [NODE] }), testNode("node-2", { addresses: ["192.0.2.2"] })],
      workloads: [
        testWorkload("shop/client", { addresses: [CLIENT] }),
        testWorkload("shop/server", { node: "node-2", addresses: [POD] }),
      ],
    }),
  );
  const plane = {
    node: "node-2",
    clock,
    log: new RecordingLog(),
    metrics: new WorkerMetrics({ clock }),
    writes: new WriteCoalescer(),
    connections: new ConnectionRegistry({ clock, onLimit: () => {} }),
    mark: 0,
    dial: () => t.fail(),
    dialPod: () => dialRaw("127.0.0.1", port),
    table: () => table,
    limitHit: () => {},
  };
  const tunnel = { peerIdentity: IDENTITY, peerAddress: NODE, podAddress: POD, podIdentity: IDENTITY } as ServerTunnel;
  const aborts: (() => void)[] = [];
  const stream = {
    method: "CONNECT",
    request: { authority: `${POD}:${port}`, headers: { forwarded: `for="${CLIENT}:4711"` } },
    onAbort: (callback: () => void) => aborts.push(callback),
    accept: () => t.fail(),
    refuse: () => t.fail(),
  } as unknown as IncomingStream;
  new InboundConnection(plane, tunnel, stream).start();
  // The kernel connects it at once; this process is told in its next turn.
  await new Promise<void>((resolve) => {
    process.nextTick(() => process.nextTick(resolve));
  });
  for (const abort of aborts) abort();
  const [socket] = await accepted;
  const probe = new PodProbe(socket);
  await probe.saw("close");
  t.deepEqual(probe.events, ["error ECONNRESET", "close"]);
});
