import { spawn } from "node:child_process";
import { once } from "node:events";
import { createConnection, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import test from "ava";
import { resetSocket, resetWhenClosed } from "../../../../agent/sockets/reset-socket.ts";

const PROGRAM = new URL("../../../support/programs/half-answer.ts", import.meta.url).pathname;

test("a pod's connection is reset when the process that serves it is killed", async (t) => {
  const server = spawn(process.execPath, [PROGRAM], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(server.stdout, "data")) as [Buffer];
  const client = createConnection({ host: "127.0.0.1", port: Number(line.toString()) });
  const [part] = (await once(client, "data")) as [Buffer];
  t.is(part.toString(), "a part of an answer");
  server.kill("SIGKILL");
  const [error] = (await once(client, "error")) as [NodeJS.ErrnoException];
  t.is(error.code, "ECONNRESET");
});

test("resetSocket ends a connection with a reset", async (t) => {
  const { client, accepted } = await connection();
  resetSocket(accepted);
  const [error] = (await once(client, "error")) as [NodeJS.ErrnoException];
  t.is(error.code, "ECONNRESET");
});

test("a connection ends in order once resetWhenClosed is off", async (t) => {
  const { client, accepted } = await connection();
  resetWhenClosed(accepted, true);
  resetWhenClosed(accepted, false);
  accepted.end("all of it");
  const received: Buffer[] = [];
  client.on("data", (chunk: Buffer) => received.push(chunk));
  await once(client, "end");
  t.is(Buffer.concat(received).toString(), "all of it");
});

async function connection(): Promise<{ client: Socket; accepted: Socket }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = createConnection({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  const [accepted] = (await once(server, "connection")) as [Socket];
  server.close();
  return { client, accepted };
}
