import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import test from "ava";
import { timers } from "../../../../agent/limits.ts";
import { TcpDial } from "../../../../agent/tunnel/tcp-dial.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

class ConnectingSocket extends EventEmitter {
  connecting = true;
  destroyed = false;

  destroy(): void {
    this.destroyed = true;
  }

  connect(): void {
    this.connecting = false;
    this.emit("connect");
  }
}

function dialling() {
  const clock = new FakeClock();
  const sockets: ConnectingSocket[] = [];
  const connected: unknown[] = [];
  const failures: string[] = [];
  const dial = new TcpDial({
    clock,
    dial: () => {
      const socket = new ConnectingSocket();
      sockets.push(socket);
      return socket as unknown as Socket;
    },
    onConnected: (socket) => connected.push(socket),
    onFailed: (error) => failures.push(error.message),
  });
  dial.start();
  return { clock, sockets, connected, failures, dial };
}

test("TcpDial hands the socket over when it has connected", (t) => {
  const { clock, sockets, connected, failures } = dialling();
  sockets[0]?.connect();
  clock.advance(timers.tcpConnectMs);
  t.deepEqual(connected, [sockets[0]]);
  t.deepEqual([sockets.length, failures.length], [1, 0]);
});

test("TcpDial tries another socket when the first SYN finds nobody, with growing patience", (t) => {
  const { clock, sockets, connected } = dialling();
  clock.advance(timers.synPatienceMs);
  t.true(sockets[0]?.destroyed);
  clock.advance(7 * timers.synPatienceMs);
  t.is(sockets.length, 9);
  clock.advance(2 * timers.synPatienceMs - 1);
  t.is(sockets.length, 9);
  clock.advance(1);
  t.is(sockets.length, 10);
  sockets[9]?.connect();
  t.deepEqual(connected, [sockets[9]]);
  t.is(clock.pendingTimers, 0);
});

test("TcpDial gives up after the connect timeout", (t) => {
  const { clock, sockets, failures } = dialling();
  clock.advance(timers.tcpConnectMs);
  t.is(failures.length, 1);
  t.true(sockets.every((socket) => socket.destroyed));
  clock.advance(timers.tcpConnectMs);
  t.is(failures.length, 1);
});

test("TcpDial fails at once when the connection is refused", (t) => {
  const { sockets, failures } = dialling();
  sockets[0]?.emit("error", new Error("connect ECONNREFUSED"));
  t.regex(failures[0] ?? "", /port 15008.*ECONNREFUSED/);
});

test("TcpDial reports a socket that cannot be opened", (t) => {
  const failures: string[] = [];
  new TcpDial({
    clock: new FakeClock(),
    dial: () => {
      throw new Error("EMFILE");
    },
    onConnected: () => t.fail(),
    onFailed: (error) => failures.push(error.message),
  }).start();
  t.regex(failures[0] ?? "", /EMFILE/);
});

test("a TcpDial that is given up does not connect any more", (t) => {
  const { sockets, connected, failures, dial } = dialling();
  dial.destroy("the agent is stopping");
  sockets[0]?.connect();
  t.deepEqual([connected.length, failures.length], [0, 1]);
});
