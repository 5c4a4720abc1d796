/**
 * The traffic of HTTP/2 and gRPC of a soak that h2load does not make: bodies, calls of every kind, and clients that leave in the
 * middle by a reset, with their connection, or in order. Prints how many of each there were, and of each error, as JSON.
 * Usage: `node soak-h2-client.ts <HTTP/2 host:port> <gRPC host:port> <seconds>`.
 */
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import { connect as openSocket, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type ServiceError, status } from "@grpc/grpc-js";
import { createSoakGrpcClient, MESSAGES, type SoakGrpcClient } from "./soak-grpc.ts";
import { runSoakKinds, type SoakLoop } from "./soak-kinds.ts";

const [target = "", grpcTarget = "", seconds = ""] = process.argv.slice(2);
const LARGEST_BODY_BYTES = 256 * 1024;
/** What of a body is sent before the client leaves. */
const PART_BYTES = 2_000;
const LEAVES_AFTER_MS = 20;
const CALL_BYTES = 300;
const body = Buffer.alloc(LARGEST_BODY_BYTES, "x");
const message = body.subarray(0, CALL_BYTES);

const counts = await runSoakKinds(
  [
    { name: "http2Bodies", loops: 2, begin: () => onSession((session) => post(session, "/app/upload")) },
    { name: "http2ToHttp1", loops: 1, begin: () => onSession((session) => post(session, "/old/upload")) },
    { name: "http2ResetWaiting", loops: 2, begin: () => onSession((session) => resetWaiting(session)) },
    { name: "http2ResetSending", loops: 1, begin: () => onSession((session) => resetSending(session)) },
    { name: "http2ResetReading", loops: 1, begin: () => onSession((session) => resetReading(session)) },
    { name: "http2Cut", loops: 2, begin: () => ({ act: cut }) },
    { name: "http2LeftInOrder", loops: 1, begin: () => ({ act: leaveInOrder }) },
    { name: "grpcUnary", loops: 4, begin: () => onChannel(unary) },
    { name: "grpcRepeat", loops: 2, begin: () => onChannel(repeat) },
    { name: "grpcChat", loops: 2, begin: () => onChannel(chat) },
    { name: "grpcCancelled", loops: 1, begin: () => onChannel(cancelled) },
    { name: "grpcLate", loops: 1, begin: () => onChannel(late) },
  ],
  Number(seconds),
);
console.log(JSON.stringify(counts));

// HTTP/2.

/** A connection that the other side has ended is replaced, as any client does. */
function onSession(act: (session: ClientHttp2Session) => Promise<unknown>): SoakLoop {
  let session = openSession();
  return {
    act: async () => {
      if (session.closed || session.destroyed) session = openSession();
      await act(session);
    },
    end: () => session.close(),
  };
}

function openSession(socket?: Socket): ClientHttp2Session {
  const session = connect(`http://${target}`, socket === undefined ? {} : { createConnection: () => socket });
  // Its streams tell.
  session.on("error", () => {});
  return session;
}

/** `ended`: the request has no body. Whoever awaits the answer hears of failures; those who leave do not listen. */
function ask(session: ClientHttp2Session, path: string, ended = true): ClientHttp2Stream {
  const stream = session.request({ ":path": path, ":method": ended ? "GET" : "POST" }, { endStream: ended });
  stream.on("error", () => {});
  return stream;
}

async function answered(stream: ClientHttp2Stream): Promise<void> {
  const [head] = (await once(stream, "response")) as [IncomingHttpHeaders];
  stream.resume();
  if (!stream.readableEnded) await once(stream, "end");
  const code = Number(head[":status"]);
  if (code !== 200) throw new Error(`answer ${code} ${String(head["hawser-reason"] ?? "")}`);
}

async function post(session: ClientHttp2Session, path: string): Promise<void> {
  const stream = ask(session, path, false);
  stream.end(body.subarray(0, Math.floor(Math.random() * LARGEST_BODY_BYTES)));
  await answered(stream);
}

async function reset(stream: ClientHttp2Stream): Promise<void> {
  const closed = once(stream, "close");
  stream.close(constants.NGHTTP2_CANCEL);
  await closed;
}

async function resetWaiting(session: ClientHttp2Session): Promise<void> {
  const stream = ask(session, "/app/slow");
  await delay(LEAVES_AFTER_MS * Math.random());
  await reset(stream);
  // The connection goes on.
  await answered(ask(session, "/small"));
}

async function resetSending(session: ClientHttp2Session): Promise<void> {
  const stream = ask(session, "/app/upload", false);
  stream.write(body.subarray(0, PART_BYTES));
  await delay(LEAVES_AFTER_MS * Math.random());
  await reset(stream);
  await answered(ask(session, "/small"));
}

async function resetReading(session: ClientHttp2Session): Promise<void> {
  const stream = ask(session, "/app/large");
  await once(stream, "data");
  await reset(stream);
  await answered(ask(session, "/small"));
}

/** The connection is gone with requests in every state on it. */
async function cut(): Promise<void> {
  const { hostname, port } = new URL(`http://${target}`);
  const socket = openSocket({ host: hostname, port: Number(port) });
  const session = openSession(socket);
  const sending = ask(session, "/app/upload", false);
  sending.write(body.subarray(0, PART_BYTES));
  ask(session, "/app/slow");
  ask(session, "/app/large").resume();
  ask(session, "/old/slow");
  ask(session, "/small").resume();
  await once(session, "connect");
  await delay(LEAVES_AFTER_MS * Math.random());
  const closed = once(session, "close");
  if (Math.random() < 0.5) socket.resetAndDestroy();
  else socket.destroy();
  await closed;
}

/** GOAWAY, and what is under way comes to its end. */
async function leaveInOrder(): Promise<void> {
  const session = openSession();
  const large = answered(ask(session, "/app/large"));
  await Promise.all([large, answered(ask(session, "/small")).then(() => session.close())]);
}

// gRPC.

function onChannel(act: (client: SoakGrpcClient) => Promise<unknown>): SoakLoop {
  const client = createSoakGrpcClient(grpcTarget);
  return { act: () => act(client), end: () => client.close() };
}

async function unary(client: SoakGrpcClient): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.unary(message, {}, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function repeat(client: SoakGrpcClient): Promise<void> {
  const call = client.repeat(message);
  let answers = 0;
  for await (const _answer of call) answers += 1;
  if (answers !== MESSAGES) throw new Error(`${answers} answers of a stream`);
}

async function chat(client: SoakGrpcClient): Promise<void> {
  const call = client.chat();
  let answers = 0;
  call.write(message);
  for await (const _answer of call) {
    answers += 1;
    if (answers < MESSAGES) call.write(message);
    else call.end();
  }
  if (answers !== MESSAGES) throw new Error(`${answers} answers of a chat`);
}

/** In the middle of a stream of either side. */
async function cancelled(client: SoakGrpcClient): Promise<void> {
  const call = client.chat();
  const over = statusOf(call);
  call.write(message);
  await once(call, "data");
  call.cancel();
  expect(await over, status.CANCELLED);
}

async function late(client: SoakGrpcClient): Promise<void> {
  const code = await new Promise<status>((resolve) => {
    client.slow(message, { deadline: Date.now() + LEAVES_AFTER_MS }, (error) => resolve(error?.code ?? status.OK));
  });
  expect(code, status.DEADLINE_EXCEEDED);
}

async function statusOf(call: ReturnType<SoakGrpcClient["chat"]>): Promise<status> {
  const [error] = (await once(call, "error")) as [ServiceError];
  return error.code;
}

function expect(found: status, wanted: status): void {
  if (found !== wanted) throw new Error(`status ${status[found]} instead of ${status[wanted]}`);
}
