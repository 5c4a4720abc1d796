import { EventEmitter } from "node:events";
import test from "ava";
import { WebSocket } from "ws";
import { AgentSession, type SessionHost } from "../../../controller/agent-session.ts";
import { limits, timers } from "../../../controller/limits.ts";
import { ControllerMetrics } from "../../../controller/metrics.ts";
import { TableHistory, type TablePosition } from "../../../controller/table-history.ts";
import type { AgentMessage, ControllerMessage } from "../../../protocol/channel.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLog } from "../../support/recording-log.ts";
import { testTable } from "../../support/test-tables.ts";

function numberOf(message: ControllerMessage): number {
  if (message.kind === "snapshot") return message.table.sequence;
  if (message.kind === "delta") return message.delta.sequence;
  return "requestId" in message ? message.requestId : 0;
}

/** A socket whose buffer a test fills and empties by hand. */
class FakeSocket extends EventEmitter {
  readyState: number = WebSocket.OPEN;
  bufferedAmount = 0;
  /** Without `roots`, of which each channel is told once. */
  readonly sent: string[] = [];
  closeCode: number | undefined;
  terminated = false;
  #sentCallbacks: (() => void)[] = [];

  send(data: Buffer | string, _options?: object, callback?: () => void): void {
    const message = JSON.parse(data.toString()) as ControllerMessage;
    if (message.kind !== "roots") this.sent.push(`${message.kind} ${numberOf(message)}`);
    this.bufferedAmount += data.length;
    if (callback !== undefined) this.#sentCallbacks.push(callback);
  }

  /** The peer has read everything. */
  drain(): void {
    this.bufferedAmount = 0;
    const callbacks = this.#sentCallbacks;
    this.#sentCallbacks = [];
    for (const callback of callbacks) callback();
  }

  hear(message: AgentMessage): void {
    this.emit("message", Buffer.from(JSON.stringify(message)), false);
  }

  close(code: number): void {
    this.closeCode ??= code;
  }

  terminate(): void {
    this.terminated = true;
  }

  ping(): void {}
}

function bench(signed: Promise<{ chain: string; roots: string }> = Promise.reject(new Error("refused"))) {
  signed.catch(() => {});
  const socket = new FakeSocket();
  const history = new TableHistory();
  history.reset(testTable());
  const clock = new FakeClock();
  const host: SessionHost = {
    epoch: "epoch-1",
    nextMessage: (have) => history.nextMessage(have),
    snapshotMessage: () => history.snapshotMessage(),
    quotaReported: () => {},
    roots: () => ({ kind: "roots", roots: "roots", issuer: "issuer" }),
    sign: () => signed,
    greeted: () => {},
    applied: () => {},
    reported: () => {},
    removed: () => {},
    closed: () => {},
  };
  const metrics = new ControllerMetrics();
  const log = new RecordingLog();
  const session = new AgentSession({
    socket: socket as unknown as WebSocket,
    node: "node-1",
    host,
    metrics,
    clock,
    log,
  });
  session.start();
  const advance = (sequence: number): void => {
    history.advance({ epoch: "epoch-1", sequence, upserts: {}, removals: {} }, testTable({ sequence }));
    session.deliver();
  };
  const hello = (have?: TablePosition): void =>
    socket.hear({ kind: "hello", node: "node-1", version: "", instance: "i", ...(have === undefined ? {} : { have }) });
  return { socket, history, clock, session, advance, hello };
}

test("an agent that does not read costs one buffer, and catches up when it reads", (t) => {
  const { socket, advance, hello } = bench();
  hello();
  t.deepEqual(socket.sent, ["snapshot 1"]);
  socket.bufferedAmount = limits.sessionBufferedBytes + 1;
  for (let sequence = 2; sequence <= 4; sequence += 1) advance(sequence);
  t.deepEqual(socket.sent, ["snapshot 1"]);
  socket.drain();
  t.deepEqual(socket.sent, ["snapshot 1", "delta 2", "delta 3", "delta 4"]);
});

test("an agent that did not read for longer than the history is given the newest state once", (t) => {
  const { socket, advance, hello } = bench();
  hello();
  socket.bufferedAmount = limits.sessionBufferedBytes + 1;
  for (let sequence = 2; sequence <= limits.historyChanges + 10; sequence += 1) advance(sequence);
  socket.drain();
  t.deepEqual(socket.sent, ["snapshot 1", `snapshot ${limits.historyChanges + 10}`]);
});

test("an agent with another replica's table is given ours a moment later, in its newest state", (t) => {
  const { socket, clock, advance, hello } = bench();
  hello({ epoch: "of another replica", sequence: 7 });
  t.deepEqual(socket.sent, []);
  advance(2);
  clock.advance(timers.handoverMs - 1);
  t.deepEqual(socket.sent, []);
  clock.advance(1);
  t.deepEqual(socket.sent, ["snapshot 2"]);
  advance(3);
  t.deepEqual(socket.sent, ["snapshot 2", "delta 3"]);
});

test("an agent that was here before is not kept waiting", (t) => {
  const { socket, advance, hello } = bench();
  advance(2);
  hello({ epoch: "epoch-1", sequence: 1 });
  t.deepEqual(socket.sent, ["delta 2"]);
});

test("an agent that refuses everything is given each state once, not one for ever", (t) => {
  const { socket, advance, hello } = bench();
  hello();
  const refuse = (): void => socket.hear({ kind: "refused", epoch: "epoch-1", sequence: 1, problems: ["no"] });
  advance(2);
  refuse();
  refuse();
  refuse();
  t.deepEqual(socket.sent, ["snapshot 1", "delta 2", "snapshot 2"]);
  advance(3);
  t.deepEqual(socket.sent.at(-1), "snapshot 3");
  socket.hear({ kind: "applied", epoch: "epoch-1", sequence: 3 });
  advance(4);
  t.deepEqual(socket.sent.at(-1), "delta 4");
});

test("an agent cannot claim to have applied what it was not sent", (t) => {
  const { socket, session, hello } = bench();
  hello();
  socket.hear({ kind: "applied", epoch: "epoch-1", sequence: 99 });
  socket.hear({ kind: "applied", epoch: "other", sequence: 1 });
  t.is(session.applied, undefined);
  socket.hear({ kind: "applied", epoch: "epoch-1", sequence: 1 });
  t.deepEqual(session.applied, { epoch: "epoch-1", sequence: 1 });
});

test("a connection that does not say hello in time is closed", (t) => {
  const { socket, clock } = bench();
  clock.advance(timers.helloMs);
  t.is(socket.closeCode, 4408);
});

test("an agent that is silent to pings is cut off, one that answers is not", (t) => {
  const { socket, session, hello } = bench();
  hello();
  const patience = timers.silenceMs / timers.pingMs;
  for (let pings = 0; pings < patience * 3; pings += 1) {
    session.ping();
    socket.emit("pong");
  }
  t.false(socket.terminated);
  for (let pings = 0; pings <= patience; pings += 1) session.ping();
  t.true(socket.terminated);
});

test("requests beyond the bound are refused, and one who reads no answers is cut off", (t) => {
  const { socket, hello } = bench(new Promise(() => {}));
  hello();
  for (let requestId = 1; requestId <= limits.signingPerSession + 1; requestId += 1) {
    socket.hear({ kind: "sign", requestId, csr: "csr" });
  }
  t.deepEqual(socket.sent.slice(1), [`sign-refused ${limits.signingPerSession + 1}`]);
  socket.bufferedAmount = limits.sessionBufferedBytes + 1;
  socket.hear({ kind: "sign", requestId: 1_000, csr: "csr" });
  t.true(socket.terminated);
});

test("nothing is done for a channel that is being closed", (t) => {
  const { socket, session, advance, hello } = bench();
  hello();
  session.close(4401, "node-removed");
  advance(2);
  socket.hear({ kind: "applied", epoch: "epoch-1", sequence: 1 });
  t.deepEqual(socket.sent, ["snapshot 1"]);
  t.is(session.applied, undefined);
});
