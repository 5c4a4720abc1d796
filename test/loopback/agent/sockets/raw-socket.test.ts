/** Raw sockets beyond what the relay's contract says: who accepts and dials them, how they fail, and how they become streams. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, Socket } from "node:net";
import test from "ava";
import { acceptPods, streamOf } from "../../../../agent/sockets/accept-pods.ts";
import { closeSocket, getOption, openSocket } from "../../../../agent/sockets/libc.ts";
import type { PodSocket } from "../../../../agent/sockets/pod-socket.ts";
import { readIntoShared } from "../../../../agent/sockets/read-into-shared.ts";
import { RawSocket } from "../../../../agent/sockets/raw-socket.ts";
import { socketDescriptor } from "../../../../agent/sockets/socket-descriptor.ts";
import { findTcpInternals, tcpInternals } from "../../../../agent/sockets/tcp-internals.ts";
import { eventually } from "../../../support/eventually.ts";
import { dialRaw, PodProbe, rawSocketPair } from "../../../support/socket-pair.ts";

/** Numbers of the generic Linux ABI. */
const SO_KEEPALIVE = [1, 9] as const;
const TCP_KEEPIDLE = [6, 4] as const;

async function listening(host = "127.0.0.1"): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, host);
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port };
}

function option(socket: PodSocket, [level, name]: readonly [number, number]): number {
  const value = Buffer.alloc(4);
  return getOption(socketDescriptor(socket) ?? -1, level, name, value) ? value.readInt32LE() : -1;
}

/** `once` of node:events rejects when an error comes first. */
async function seen(socket: RawSocket, event: string): Promise<void> {
  await new Promise<void>((resolve) => socket.once(event, resolve));
}

for (const address of ["127.0.0.1", "::1"]) {
  test(`${address}: a dialled one sends what was written before, and ends each way alone`, async (t) => {
    const { server, port } = await listening(address);
    const socket = dialRaw(address, port);
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const got: string[] = [];
    socket.on("data", (chunk: Buffer) => got.push(chunk.toString()));
    socket.on("end", () => got.push("FIN"));
    socket.write(Buffer.from("early "));
    await once(socket, "connect");
    socket.write(Buffer.from("late"));
    socket.end();
    const [pod] = await accepted;
    const probe = new PodProbe(pod);
    await probe.saw("end");
    t.is(probe.text, "early late");
    t.deepEqual([socket.remoteAddress, socket.remotePort], [address, port]);
    t.is(pod.remotePort, socket.localPort);
    socket.setKeepAlive(true, 7_000);
    t.deepEqual([option(socket, SO_KEEPALIVE), option(socket, TCP_KEEPIDLE)], [1, 7]);
    pod.end("answer");
    await once(socket, "close");
    t.deepEqual(got, ["answer", "FIN"]);
    t.true(socket.destroyed);
    server.close();
  });
}

test("a dial that is refused tells why, then closes", async (t) => {
  const { server, port } = await listening();
  server.close();
  await once(server, "close");
  const socket = dialRaw("127.0.0.1", port);
  const closed = seen(socket, "close");
  const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
  t.is(error.code, "ECONNREFUSED");
  t.is(error.message, `connect ECONNREFUSED 127.0.0.1:${port}`);
  await closed;
  t.true(socket.destroyed);
});

test("a dial that is given up tells the error it was given, and nothing else", async (t) => {
  const { server, port } = await listening();
  const socket = dialRaw("127.0.0.1", port);
  socket.on("connect", () => t.fail());
  const error = once(socket, "error");
  const closed = seen(socket, "close");
  socket.destroy(new Error("no answer"));
  t.is(((await error) as [Error])[0].message, "no answer");
  await closed;
  server.close();
});

test("becomes a stream before anything was read", async (t) => {
  const { agent, pod } = await rawSocketPair();
  pod.write("GET");
  const stream = streamOf(agent);
  t.true(stream instanceof Socket);
  t.true(agent.destroyed);
  const [chunk] = (await once(stream, "data")) as [Buffer];
  t.is(chunk.toString(), "GET");
  const probe = new PodProbe(pod);
  stream.end("answer");
  await probe.saw("end");
  t.is(probe.text, "answer");
  t.is(streamOf(stream), stream);
  pod.destroy();
  stream.destroy();
});

test("what is read is copied for who listens, and lent to who says so", async (t) => {
  const { agent, pod } = await rawSocketPair();
  const owned: Buffer[] = [];
  agent.on("data", (chunk: Buffer) => owned.push(chunk));
  pod.write("mine");
  await eventually("it comes", () => owned.length === 1);
  const lent: ArrayBufferLike[] = [];
  let text = "";
  t.true(
    readIntoShared(agent, (chunk) => {
      lent.push(chunk.buffer);
      text += chunk.toString();
    }),
  );
  pod.write("lent");
  await eventually("it comes too", () => text === "lent");
  t.is(Buffer.concat(owned).toString(), "mine");
  t.not(owned[0]?.buffer, lent[0]);
  agent.destroy();
  pod.destroy();
});

test("a write that the kernel does not take is followed by drain, and by an error when the pod is gone", async (t) => {
  const { agent, pod } = await rawSocketPair();
  const bytes = 20_000_000;
  t.true(agent.write(Buffer.from("small")));
  t.false(agent.write(Buffer.alloc(bytes)));
  t.false(agent.write(Buffer.from("behind it")));
  t.true(agent.writableLength > bytes);
  const probe = new PodProbe(pod);
  await once(agent, "drain");
  t.is(agent.writableLength, 0);
  await eventually("all of it", () => probe.bytes === bytes + "smallbehind it".length);
  pod.pause();
  agent.write(Buffer.alloc(bytes));
  const failed = once(agent, "error");
  pod.resetAndDestroy();
  t.regex(((await failed) as [NodeJS.ErrnoException])[0].code ?? "", /^(EPIPE|ECONNRESET)$/);
  t.is(agent.writableLength, 0);
});

test("where Node has other internals, pods come as its own sockets", async (t) => {
  const { server, port } = await listening();
  t.false(acceptPods(server, undefined, () => t.fail()));
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const socket = dialRaw("127.0.0.1", port);
  const [pod] = await accepted;
  t.is(streamOf(pod), pod);
  socket.destroy();
  server.close();
});

test("a descriptor that cannot be taken over stays the caller's", (t) => {
  if (tcpInternals === undefined) throw new Error("This version of Node has no raw sockets");
  const internals = tcpInternals;
  const fd = openSocket(false);
  closeSocket(fd);
  t.throws(() => RawSocket.open(internals, fd), { message: "open EBADF", code: "EBADF" });
});

test("internals of which a part is missing are none", (t) => {
  const { binding } = process as unknown as { binding: (name: string) => object };
  t.not(findTcpInternals(binding), undefined);
  t.is(findTcpInternals(undefined), undefined);
  t.is(
    findTcpInternals(() => {
      throw new Error("No such module");
    }),
    undefined,
  );
  const without = (name: string, part: object) => (asked: string) =>
    asked === name ? { ...binding(asked), ...part } : binding(asked);
  t.is(findTcpInternals(without("tcp_wrap", { TCP: Map })), undefined);
  t.is(findTcpInternals(without("stream_wrap", { kLastWriteErr: undefined })), undefined);
});
