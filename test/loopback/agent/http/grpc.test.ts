/** gRPC through the HTTP data plane on loopback: grpc-js at both ends, and bare HTTP/2 where it hides too much. */
import { credentials, Metadata, Server, ServerCredentials, type ServiceError, status } from "@grpc/grpc-js";
import test, { type ExecutionContext } from "ava";
import {
  createEchoClient,
  type EchoAnswer,
  type EchoClient,
  type EchoRequest,
  echoServer,
  echoService,
} from "../../../../e2e/pods/grpc-echo.ts";
import { eventually } from "../../../support/eventually.ts";
import { h2Call } from "../../../support/h2-call.ts";
import { h2Client } from "../../../support/h2-client.ts";
import { H2Origin } from "../../../support/h2-origin.ts";
import { forward, HttpWorld, type HttpWorldOptions } from "../../../support/http-world.ts";

const CALL = { ":method": "POST", ":path": "/test.Echo/Unary", "content-type": "application/grpc", te: "trailers" };

async function grpcServer(t: ExecutionContext, onCancelled?: (method: string) => void) {
  const server = new Server();
  server.addService(echoService, echoServer("pod-1", onCancelled));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  t.teardown(() => server.forceShutdown());
  return { server, port };
}

async function worlds(t: ExecutionContext, options: HttpWorldOptions = {}, onCancelled?: (method: string) => void) {
  const { server, port } = await grpcServer(t, onCancelled);
  const world = await HttpWorld.create(t, { origins: [port], ...options });
  const client = createEchoClient(`127.0.0.1:${world.port}`, credentials.createInsecure());
  t.teardown(() => client.close());
  return { server, world, client };
}

interface UnaryResult {
  readonly answer: EchoAnswer | undefined;
  readonly error: ServiceError | null;
  readonly metadata: Metadata | undefined;
  readonly trailing: Metadata | undefined;
}

async function unary(client: EchoClient, request: EchoRequest, options: object = {}, metadata = new Metadata()) {
  return await new Promise<UnaryResult>((resolve) => {
    let head: Metadata | undefined;
    let trailing: Metadata | undefined;
    let result: [ServiceError | null, EchoAnswer | undefined] | undefined;
    const done = (): void => {
      if (result !== undefined && trailing !== undefined) {
        resolve({ error: result[0], answer: result[1], metadata: head, trailing });
      }
    };
    const call = client.unary(request, metadata, options, (error, answer) => {
      result = [error, answer];
      done();
    });
    call.on("metadata", (value: Metadata) => (head = value));
    call.on("status", (value) => {
      trailing = value.metadata;
      done();
    });
  });
}

test("a unary call with metadata in all four places", async (t) => {
  const { world, client } = await worlds(t);
  const metadata = new Metadata();
  metadata.set("x-user", "ann");
  metadata.set("x-raw-bin", Buffer.from([0, 255, 1]));
  const result = await unary(client, { text: "hello" }, {}, metadata);
  t.like(result.answer, { pod: "pod-1", text: "hello" });
  t.is(result.answer?.metadata?.["x-user"], "ann");
  t.deepEqual(result.metadata?.get("x-pod"), ["pod-1"]);
  t.deepEqual(result.trailing?.get("x-trailing"), ["yes"]);
  t.deepEqual(world.requests(), { "2xx answered 0": 1 });
});

test("a failure is the server's, with its message and details", async (t) => {
  const { world, client } = await worlds(t);
  const { error } = await unary(client, { text: "x", fail: status.NOT_FOUND, details: "nicht da: 100 %, ü" });
  t.is(error?.code, status.NOT_FOUND);
  t.is(error?.details, "nicht da: 100 %, ü");
  t.is(error?.metadata.get("grpc-status-details-bin")[0]?.toString(), "about x");
  t.deepEqual(world.requests(), { "2xx answered 5": 1 });
});

test("streams: of the client, of the server, and both at once, message by message", async (t) => {
  const { world, client } = await worlds(t);
  const collected = await new Promise<EchoAnswer | undefined>((resolve, reject) => {
    const call = client.collect(new Metadata(), (error, answer) => (error === null ? resolve(answer) : reject(error)));
    for (const text of ["a", "b", "c"]) call.write({ text });
    call.end();
  });
  t.is(collected?.text, "a b c");
  const texts: string[] = [];
  for await (const { text } of client.repeat({ text: "n", count: 100 })) texts.push(text);
  t.is(texts.length, 100);
  t.is(texts.at(-1), "n 99");
  const chat = client.chat();
  const heard: string[] = [];
  chat.write({ text: "0" });
  for await (const { text } of chat as AsyncIterable<EchoAnswer>) {
    heard.push(text);
    if (heard.length < 20) chat.write({ text: String(heard.length) });
    else chat.end();
  }
  t.is(heard.at(-1), "you said 19");
  t.deepEqual(world.requests(), { "2xx answered 0": 3 });
});

test("a client that cancels is told to the server", async (t) => {
  const cancelled: string[] = [];
  const { world, client } = await worlds(t, {}, (method) => cancelled.push(method));
  const call = client.repeat({ text: "n", count: 1_000, delayMs: 10 });
  call.on("error", () => {});
  call.once("data", () => call.cancel());
  await eventually("the server knows", () => cancelled.includes("repeat"));
  await eventually("the report", () => world.requests()["2xx client-gone"] === 1);
  t.pass();
});

test("a deadline is told to the server, less what was used up; ours is told as DEADLINE_EXCEEDED", async (t) => {
  const { client } = await worlds(t);
  const { answer } = await unary(client, { text: "x" }, { deadline: Date.now() + 5_000 });
  t.true((answer?.leftMs ?? 0) > 1_000 && (answer?.leftMs ?? 0) <= 5_000, `${answer?.leftMs}`);

  const origin = await H2Origin.create(t, () => {});
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const session = await h2Client(t, world);
  const result = await h2Call(session, { ...CALL, "grpc-timeout": "100m" }, "x");
  t.is(result.status, 200);
  t.is(result.headers["grpc-status"], "4");
  t.regex(String(result.headers["grpc-message"]), /^request-timeout: no whole answer within 100 ms/);
  t.is(result.body.length, 0);
  t.deepEqual(world.requests(), { "5xx request-timeout 4": 1 });
});

test("the server is told what the route allows when that is less", async (t) => {
  const seen: unknown[] = [];
  const origin = await H2Origin.create(t, (stream, headers) => {
    seen.push(headers["grpc-timeout"]);
    stream.respond({ ":status": 200, "grpc-status": 0 }, { endStream: true });
  });
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    decide: (facts) => forward(facts, { rule: { timeouts: { requestMs: 2_000 } } }),
  });
  const session = await h2Client(t, world);
  await h2Call(session, { ...CALL, "grpc-timeout": "1H" }, "x");
  await h2Call(session, { ...CALL, "grpc-timeout": "soon" }, "x");
  await h2Call(session, CALL, "x");
  const ms = Number(/^([0-9]+)m$/.exec(String(seen[0]))?.[1]);
  t.true(ms > 500 && ms <= 2_000, String(seen[0]));
  t.deepEqual(seen.slice(1), ["soon", undefined], "what is not understood passes, what is not there is not made");
});

test("a deadline in the middle of a stream ends it with its status, not with a reset", async (t) => {
  const { client, world } = await worlds(t, {
    decide: (facts) => forward(facts, { rule: { timeouts: { requestMs: 1_000 } } }),
  });
  const call = client.repeat({ text: "n", count: 1_000, delayMs: 50 });
  const texts: string[] = [];
  const error = await new Promise<ServiceError>((resolve) => {
    call.on("data", ({ text }: EchoAnswer) => texts.push(text));
    call.on("error", resolve);
  });
  t.is(error.code, status.DEADLINE_EXCEEDED);
  t.true(texts.length > 1);
  t.deepEqual(world.requests(), { "2xx request-timeout 4": 1 });
});

test("errors of ours are statuses with a reason", async (t) => {
  const none = await worlds(t, { origins: [] });
  const { error } = await unary(none.client, { text: "x" });
  t.is(error?.code, status.UNAVAILABLE);
  t.regex(error?.details ?? "", /^no-endpoints: /);
  t.deepEqual(none.world.requests(), { "5xx no-endpoints 14": 1 });
  const unmatched = await worlds(t, {
    decide: () => ({
      kind: "respond",
      code: "no-match",
      status: 404,
      grpcStatus: 12,
      headers: [],
      responseHeaders: [],
      reason: "no rule for it",
    }),
  });
  const refused = await unary(unmatched.client, { text: "x" });
  t.is(refused.error?.code, status.UNIMPLEMENTED);
  t.is(refused.error?.details, "no-match: no rule for it");
});

test("a call is repeated on the statuses that its route names, when that is all its answer says", async (t) => {
  const budget = { percent: 100, intervalMs: 10_000, minRetries: 100, minRetriesIntervalMs: 1_000 };
  const retry = { attempts: 2, on: ["unavailable"] as const, backoffMs: 1, budget };
  const { client } = await worlds(t, { decide: (facts) => forward(facts, { rule: { retry } }) });
  const origin = await H2Origin.create(t, (stream) => {
    const isLast = origin.streams === 3;
    stream.respond({ ":status": 200, "grpc-status": isLast ? 0 : 14 }, { endStream: true });
  });
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    decide: (facts) => forward(facts, { rule: { retry } }),
  });
  const session = await h2Client(t, world);
  t.is((await h2Call(session, CALL, "x")).headers["grpc-status"], "0");
  t.is(origin.streams, 3);
  t.is((await unary(client, { text: "x", fail: status.UNAVAILABLE, times: 2 })).answer?.text, "x");
  t.is((await unary(client, { text: "y", fail: status.UNAVAILABLE })).error?.code, status.UNAVAILABLE);
  t.is((await unary(client, { text: "z", fail: status.ABORTED, times: 1 })).error?.code, status.ABORTED);
});

test("servers that leave in order fail no call", async (t) => {
  const [one, two] = [await grpcServer(t), await grpcServer(t)];
  const world = await HttpWorld.create(t, { origins: [one.port, two.port] });
  const client = createEchoClient(`127.0.0.1:${world.port}`, credentials.createInsecure());
  t.teardown(() => client.close());
  const calls: Promise<UnaryResult>[] = [];
  for (let count = 0; count < 200; count += 1) {
    if (count === 100) one.server.tryShutdown(() => {});
    calls.push(unary(client, { text: String(count), delayMs: count % 7 }));
    if (count % 10 === 9) await calls.at(-1);
  }
  const failed = (await Promise.all(calls)).filter(({ error }) => error !== null);
  t.deepEqual(
    failed.map(({ error }) => error?.message),
    [],
  );
});
