/**
 * The listener for pods' connections on loopback: the client is "pod" 127.0.0.1, and what it dials is a VIP of Service
 * shop/catalog, whose endpoints are at a port of this machine.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { RequestRouter } from "../../agent/http/request-router.ts";
import { OutboundListener } from "../../agent/outbound/outbound-listener.ts";
import type { Clock } from "../../core/clock.ts";
import type { ServiceEntry, ServicePort } from "../../protocol/table.ts";
import { TableState } from "../../routing/table-state.ts";
import type { TearsDown } from "./http-origin.ts";
import { HttpWorld } from "./http-world.ts";
import { testTable, testWorkload } from "./test-tables.ts";

export interface ListeningOptions {
  readonly router: RequestRouter | undefined;
  /** Where the endpoint is; absent: there is none. */
  readonly originPort?: number;
  /** What the Service's port says about itself. */
  readonly port?: Partial<ServicePort>;
  readonly clock?: Clock;
}

export async function listenForPods(t: TearsDown, { router, originPort, port: said, clock }: ListeningOptions) {
  const origins = originPort === undefined ? [] : [originPort];
  const world = await HttpWorld.create(t, { origins, ...(clock === undefined ? {} : { clock }) });
  const asked: string[] = [];
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = new Set<Socket>();
  t.teardown(() => {
    server.close();
    for (const socket of accepted) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  const service: ServiceEntry = {
    key: "shop/catalog",
    namespace: "shop",
    name: "catalog",
    clusterIps: ["127.0.0.1"],
    ports: [{ port, name: "", protocol: "TCP", ...said }],
  };
  const client = testWorkload("shop/client", { addresses: ["127.0.0.1"] });
  const pods = originPort !== undefined ? [testWorkload("shop/catalog-1", { addresses: ["10.244.1.3"] })] : [];
  const table = new TableState(
    testTable({
      workloads: [client, ...pods],
      services: [service],
      endpoints: pods.map(({ uid }) => ({
        key: `shop/catalog|${uid}`,
        service: "shop/catalog",
        workload: uid,
        weight: 100,
        ports: { [port]: originPort ?? 0 },
      })),
    }),
  );
  const plane = {
    ...world.plane,
    table: () => table,
    dialPod: (options: Parameters<typeof world.plane.dialPod>[0]) =>
      world.plane.dialPod({ ...options, address: "127.0.0.1" }),
  };
  const listener = new OutboundListener(plane, {
    plane,
    routerFor: (source, key, servicePort) => {
      asked.push(`${source.uid} ${key} ${servicePort === port}`);
      return router;
    },
  });
  server.on("connection", (socket) => {
    accepted.add(socket);
    listener.accept(socket);
  });
  return { url: `http://127.0.0.1:${port}`, port, asked, log: world.log, world };
}
