/** Redirected connections need rules in the kernel: e2e/netfilter.test.ts. */
import { once } from "node:events";
import { createConnection, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import test from "ava";
import { dialledAddress } from "../../../../agent/sockets/dialled-address.ts";
import { originalDestination } from "../../../../agent/sockets/libc.ts";
import { socketDescriptor } from "../../../../agent/sockets/socket-descriptor.ts";

for (const host of ["127.0.0.1", "::1"]) {
  test(`what was dialled is the socket's local address, ${host}`, async (t) => {
    const { accepted, port } = await connection(host);
    t.deepEqual(dialledAddress(accepted), { address: host, port, redirected: false });
    accepted.destroy();
  });

  test(`a connection that nobody translated has no original destination, ${host}`, async (t) => {
    const { accepted } = await connection(host);
    t.is(originalDestination(socketDescriptor(accepted) ?? -1, host === "::1"), undefined);
    accepted.destroy();
  });
}

test("a client that is gone dialled nothing", async (t) => {
  const { accepted } = await connection("127.0.0.1");
  accepted.destroy();
  await once(accepted, "close");
  t.is(dialledAddress(accepted), "gone");
  t.is(socketDescriptor(accepted), undefined);
});

async function connection(host: string): Promise<{ accepted: Socket; port: number }> {
  const server = createServer();
  server.listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = createConnection({ host, port });
  client.on("error", () => {});
  const [accepted] = (await once(server, "connection")) as [Socket];
  accepted.once("close", () => client.destroy());
  server.close();
  return { accepted, port };
}
