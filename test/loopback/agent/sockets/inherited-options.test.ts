/** What an accepted connection has from the socket that listens, without a system call of its own. */
import { once } from "node:events";
import { createConnection, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import test from "ava";
import {
  bindSocket,
  getOption,
  listenSocket,
  openSocket,
  setKeepAlive,
  setNoDelay,
} from "../../../../agent/sockets/libc.ts";
import { socketDescriptor } from "../../../../agent/sockets/socket-descriptor.ts";

const SOL_SOCKET = 1;
const SOL_TCP = 6;

/** Numbers of the generic Linux ABI. */
const OPTIONS = {
  SO_KEEPALIVE: [SOL_SOCKET, 9],
  TCP_NODELAY: [SOL_TCP, 1],
  TCP_KEEPIDLE: [SOL_TCP, 4],
  TCP_KEEPINTVL: [SOL_TCP, 5],
  TCP_KEEPCNT: [SOL_TCP, 6],
} as const;

for (const [host, ipv6] of [
  ["127.0.0.1", false],
  ["::1", true],
] as const) {
  test(`accepted connections have no delay and are kept alive as the listening socket says, ${host}`, async (t) => {
    const fd = openSocket(ipv6);
    setNoDelay(fd);
    setKeepAlive(fd, 7_000);
    bindSocket(fd, host, 0, ipv6);
    listenSocket(fd, 1);
    const server = createServer().listen({ fd });
    await once(server, "listening");
    const client = createConnection({ host, port: (server.address() as AddressInfo).port });
    const [accepted] = (await once(server, "connection")) as [Socket];
    const values = Object.entries(OPTIONS).map(([name, option]) => [name, read(accepted, option)]);
    t.deepEqual(Object.fromEntries(values), {
      SO_KEEPALIVE: 1,
      TCP_NODELAY: 1,
      TCP_KEEPIDLE: 7,
      TCP_KEEPINTVL: 1,
      TCP_KEEPCNT: 10,
    });
    client.destroy();
    accepted.destroy();
    server.close();
  });
}

function read(socket: Socket, [level, option]: readonly [number, number]): number {
  const value = Buffer.alloc(4);
  if (!getOption(socketDescriptor(socket) ?? -1, level, option, value)) return -1;
  return value.readInt32LE();
}
