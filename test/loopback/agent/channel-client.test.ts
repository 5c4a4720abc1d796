import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import { WebSocketServer, type WebSocket } from "ws";
import { ChannelClient, type ChannelClientOptions } from "../../../agent/control/channel-client.ts";
import { controlLimits } from "../../../agent/control/limits.ts";
import { ServerIdentity } from "../../../controller/server-identity.ts";
import { systemClock } from "../../../core/clock.ts";
import { openTestAuthority } from "../../support/certificate-requests.ts";
import { eventually } from "../../support/eventually.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLog } from "../../support/recording-log.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { testTable } from "../../support/test-tables.ts";

/** A controller that says what a test tells it to. */
class ScriptedController {
  readonly sockets: WebSocket[] = [];
  readonly heard: Record<string, unknown>[] = [];
  readonly #server: Server;
  readonly roots: string;

  private constructor(server: Server, roots: string) {
    this.#server = server;
    this.roots = roots;
    new WebSocketServer({ server }).on("connection", (socket) => {
      this.sockets.push(socket);
      socket.on("message", (data) =>
        this.heard.push(JSON.parse((data as Buffer).toString()) as Record<string, unknown>),
      );
    });
  }

  static async start(t: ExecutionContext): Promise<ScriptedController> {
    const authority = await openTestAuthority(await temporaryDirectory(t), systemClock);
    const names = ["127.0.0.1", "hawser.example"];
    const identity = new ServerIdentity({ authority, names, clock: systemClock, log: new RecordingLog() });
    const { keyPem, chainPem } = await identity.issue();
    const server = createServer({ key: keyPem, cert: chainPem });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const controller = new ScriptedController(server, authority.rootsPem);
    t.teardown(() => {
      for (const socket of controller.sockets) socket.terminate();
      server.close();
    });
    return controller;
  }

  get url(): string {
    return `wss://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  say(message: object): void {
    this.sockets.at(-1)?.send(JSON.stringify(message));
  }
}

function client(t: ExecutionContext, options: Partial<ChannelClientOptions>): ChannelClient & { log: RecordingLog } {
  const log = new RecordingLog();
  const channel = new ChannelClient({
    urls: [],
    credentials: () => ({ token: "token", roots: "" }),
    hello: () => ({ kind: "hello", node: "node-1", version: "test", instance: "instance" }),
    onTable: () => {},
    clock: systemClock,
    random: () => 0,
    log,
    ...options,
  });
  t.teardown(() => channel.close());
  channel.start();
  return Object.assign(channel, { log });
}

function access(controller: ScriptedController): Partial<ChannelClientOptions> {
  return { urls: [controller.url], credentials: () => ({ token: "token", roots: controller.roots }) };
}

test("a controller that goes silent is left and dialled anew", async (t) => {
  const controller = await ScriptedController.start(t);
  const clock = new FakeClock();
  const channel = client(t, { ...access(controller), clock });
  await eventually("the channel is open", () => channel.connected);
  // The connection is there, but nobody reads: no pong comes back.
  (controller.sockets[0] as unknown as { _socket: Socket })._socket.pause();
  clock.advance(controlLimits.silenceMs + 2 * controlLimits.pingMs);
  await eventually("the channel is lost", () => !channel.connected);
  clock.advance(controlLimits.redialMaxMs);
  await eventually("the channel is open again", () => channel.connected);
  t.is(controller.sockets.length, 2);
});

test("failed dials back off, and each url has its turn", async (t) => {
  const controller = await ScriptedController.start(t);
  const clock = new FakeClock();
  const events: string[] = [];
  const urls = ["wss://127.0.0.1:1", "wss://127.0.0.1:2", controller.url];
  const channel = client(t, { ...access(controller), urls, clock, count: (event) => events.push(event) });
  await eventually("the first dial failed", () => events.length === 1);
  t.is(clock.pendingTimers, 1);
  clock.advance(controlLimits.redialBaseMs / 2);
  await eventually("the second dial failed", () => events.length === 2);
  clock.advance(controlLimits.redialBaseMs / 2);
  t.is(events.length, 2);
  clock.advance(controlLimits.redialBaseMs);
  await eventually("the third url answers", () => channel.connected);
});

test("an outage is one log line, not one per dial", async (t) => {
  const clock = new FakeClock();
  const events: string[] = [];
  const channel = client(t, { urls: ["wss://127.0.0.1:1"], clock, count: (event) => events.push(event) });
  for (let failures = 1; failures <= 10; failures += 1) {
    await eventually(`failure ${failures}`, () => events.length === failures);
    clock.advance(controlLimits.redialMaxMs);
  }
  t.is(channel.log.lines.filter((line) => line.level === "warn").length, 1);
});

test("credentials that are not there yet are asked for again", async (t) => {
  const controller = await ScriptedController.start(t);
  let there = false;
  const channel = client(t, {
    urls: [controller.url],
    credentials: () => {
      if (!there) throw new Error("ENOENT: token file");
      return { token: "token", roots: controller.roots };
    },
  });
  await eventually("the failure is logged", () => /token file/.test(channel.log.text));
  there = true;
  await eventually("the channel is open", () => channel.connected);
  t.pass();
});

test("the token does not travel in clear, nor to a server with another name", async (t) => {
  const controller = await ScriptedController.start(t);
  const clear = client(t, { ...access(controller), urls: [controller.url.replace("wss:", "ws:")] });
  await eventually("clear text is refused", () => /must begin with wss:/.test(clear.log.text));
  const named = client(t, { ...access(controller), servername: "other.example" });
  await eventually("the name is refused", () => /other\.example/.test(named.log.text));
  const right = client(t, { ...access(controller), servername: "hawser.example" });
  await eventually("the right name is taken", () => right.connected);
  t.false(clear.log.text.includes("Bearer"));
});

test("tables are applied one at a time and acknowledged when they are in force", async (t) => {
  const controller = await ScriptedController.start(t);
  const order: string[] = [];
  let finish = (): void => {};
  const channel = client(t, {
    ...access(controller),
    onTable: async (message) => {
      order.push(`begin ${message.kind}`);
      if (message.kind === "snapshot") await new Promise<void>((resolve) => (finish = resolve));
      order.push(`end ${message.kind}`);
    },
  });
  await eventually("hello", () => controller.heard[0]?.["kind"] === "hello");
  controller.say({ kind: "snapshot", table: testTable() });
  controller.say({ kind: "delta", delta: { epoch: "epoch-1", sequence: 2, upserts: {}, removals: {} } });
  controller.say({ kind: "from-the-future" });
  await eventually("the snapshot is being applied", () => order.length === 1);
  t.is(controller.heard.length, 1);
  finish();
  await eventually("both are acknowledged", () => controller.heard.length === 3);
  t.deepEqual(order, ["begin snapshot", "end snapshot", "begin delta", "end delta"]);
  t.deepEqual(controller.heard.at(-1), { kind: "applied", epoch: "epoch-1", sequence: 2 });
  t.true(channel.connected);
});

test("a table that does not fit is refused, and changes are skipped until a snapshot comes", async (t) => {
  const controller = await ScriptedController.start(t);
  const applied: string[] = [];
  const events: string[] = [];
  client(t, {
    ...access(controller),
    count: (event) => events.push(event),
    onTable: (message) => {
      if (message.kind === "delta" && message.delta.sequence === 2) throw new Error("does not fit");
      applied.push(message.kind);
    },
  });
  await eventually("hello", () => controller.heard.length === 1);
  for (const sequence of [2, 3]) {
    controller.say({ kind: "delta", delta: { epoch: "epoch-1", sequence, upserts: {}, removals: {} } });
  }
  controller.say({ kind: "snapshot", table: { nonsense: true } });
  controller.say({ kind: "snapshot", table: testTable({ sequence: 3 }) });
  await eventually("the snapshot is acknowledged", () => controller.heard.at(-1)?.["kind"] === "applied");
  t.deepEqual(
    controller.heard.map((message) => message["kind"]),
    ["hello", "refused", "refused", "applied"],
  );
  t.deepEqual(applied, ["snapshot"]);
  t.deepEqual(events.sort(), ["message-invalid", "table-refused", "table-refused"]);
});

test("a channel that is opened while a table is being applied begins with hello, and what that then has", async (t) => {
  const controller = await ScriptedController.start(t);
  let sequence = 0;
  let finish = (): void => {};
  const channel = client(t, {
    ...access(controller),
    hello: () => ({ kind: "hello", node: "node-1", version: "", instance: "", have: { epoch: "epoch-1", sequence } }),
    onTable: async (message) => {
      await new Promise<void>((resolve) => (finish = resolve));
      sequence = message.kind === "snapshot" ? message.table.sequence : message.delta.sequence;
    },
  });
  await eventually("hello", () => controller.heard.length === 1);
  const begun = finish;
  controller.say({ kind: "snapshot", table: testTable({ sequence: 7 }) });
  await eventually("the table is being applied", () => finish !== begun);
  channel.redial();
  await eventually("there is another connection", () => controller.sockets.length === 2);
  t.false(channel.send({ kind: "ping" }));
  finish();
  await eventually("hello again", () => controller.heard.length === 2);
  t.like(controller.heard[1], { kind: "hello", have: { epoch: "epoch-1", sequence: 7 } });
});

test("close ends for good, and says nothing more", async (t) => {
  const controller = await ScriptedController.start(t);
  let closed = 0;
  const channel = client(t, { ...access(controller), onClose: () => (closed += 1) });
  await eventually("the channel is open", () => channel.connected);
  channel.send({ kind: "goodbye", removed: true });
  await channel.close();
  t.is(closed, 1);
  t.false(channel.connected);
  t.false(channel.send({ kind: "ping" }));
  await t.throwsAsync(channel.sign("csr"), { code: "channel-closed" });
  await eventually("goodbye arrived", () => controller.heard.at(-1)?.["kind"] === "goodbye");
});
