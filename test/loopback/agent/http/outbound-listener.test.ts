/** Which accepted connections are looked into: those to a port of a Service that has a router, and no others. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import type { RequestRouter } from "../../../../agent/http/request-router.ts";
import { OutboundListener } from "../../../../agent/outbound/outbound-listener.ts";
import type { ServiceEntry } from "../../../../protocol/table.ts";
import { TableState } from "../../../../routing/table-state.ts";
import { httpOrigin } from "../../../support/http-origin.ts";
import { HttpWorld } from "../../../support/http-world.ts";
import { testTable, testWorkload } from "../../../support/test-tables.ts";

/** On loopback the client is "pod" 127.0.0.1, and what it dials is a VIP of Service shop/catalog. */
async function listen(t: ExecutionContext, router: RequestRouter | undefined, endpoints: boolean) {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, { origins: [origin.port] });
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
    ports: [{ port, name: "http", protocol: "TCP" }],
  };
  const client = testWorkload("shop/client", { addresses: ["127.0.0.1"] });
  const pods = endpoints ? [testWorkload("shop/catalog-1", { addresses: ["10.244.1.3"] })] : [];
  const table = new TableState(
    testTable({
      workloads: [client, ...pods],
      services: [service],
      endpoints: pods.map(({ uid }) => ({
        key: `shop/catalog|${uid}`,
        service: "shop/catalog",
        workload: uid,
        weight: 100,
        ports: { [port]: origin.port },
      })),
    }),
  );
  const plane = {
    ...world.plane,
    table: () => table,
    dial: (options: Parameters<typeof world.plane.dial>[0]) => world.plane.dial({ ...options, address: "127.0.0.1" }),
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
  return { url: `http://127.0.0.1:${port}`, asked, log: world.log };
}

const teapot: RequestRouter = {
  decide: () => ({
    kind: "respond",
    code: "no-match",
    status: 404,
    headers: [],
    responseHeaders: [],
    reason: "no rule",
  }),
  endpoints: () => undefined,
  sessionEndpoints: () => [],
};

test("a Service's port with a router is served request by request", async (t) => {
  const { url, asked } = await listen(t, teapot, true);
  const response = await fetch(url);
  t.is(response.headers.get("hawser-reason"), "no-match");
  t.deepEqual(asked, ["shop/client shop/catalog true"]);
});

test("also when the Service has no endpoint: its routes may lead elsewhere", async (t) => {
  const { url } = await listen(t, teapot, false);
  t.is((await fetch(url)).status, 404);
});

test("without a router the bytes pass as they are", async (t) => {
  const { url } = await listen(t, undefined, true);
  const response = await fetch(url, { headers: { "x-request-id": "" } });
  t.is(response.status, 200);
  t.is(((await response.json()) as { headers: Record<string, string> }).headers["x-request-id"], "");
});

test("without a router and without endpoints it is refused", async (t) => {
  const { url, log } = await listen(t, undefined, false);
  await t.throwsAsync(fetch(url));
  t.like(log.lines[0]?.fields, { event: "connection", reason: "no-endpoints" });
});
