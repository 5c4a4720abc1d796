import test from "ava";
import { WebSocket } from "ws";
import { FrameSender } from "../../../controller/frame-sender.ts";

/** Keeps what was sent until the test lets the kernel take it. */
class FakeSocket {
  readyState: number = WebSocket.OPEN;
  readonly sent: { readonly bytes: number; readonly fin: boolean; readonly binary: boolean }[] = [];
  readonly #callbacks: (() => void)[] = [];

  send(data: Buffer, { binary, fin = true }: { binary: boolean; fin?: boolean }, callback: () => void): void {
    this.sent.push({ bytes: data.length, fin, binary });
    this.#callbacks.push(callback);
  }

  /** The kernel took the oldest piece. */
  taken(): void {
    this.#callbacks.shift()?.();
  }
}

function bench(): { socket: FakeSocket; sender: FrameSender } {
  const socket = new FakeSocket();
  return { socket, sender: new FrameSender(socket as unknown as WebSocket) };
}

const frame = (bytes: number, binary = false) => ({ bytes: Buffer.alloc(bytes), binary });

test("small frames go at once, one after the other", (t) => {
  const { socket, sender } = bench();
  sender.send(frame(10));
  sender.send(frame(20));
  t.deepEqual(
    socket.sent.map(({ bytes, fin }) => [bytes, fin]),
    [
      [10, true],
      [20, true],
    ],
  );
  t.false(sender.busy);
});

test("a large frame goes in fragments, each when the one before was taken; what follows waits", (t) => {
  const { socket, sender } = bench();
  let done = 0;
  sender.send(frame(40 * 1024, true), () => (done += 1));
  sender.send(frame(5));
  t.is(socket.sent.length, 1);
  t.true(sender.busy);
  t.is(sender.queued, 1);
  socket.taken();
  socket.taken();
  t.is(done, 0);
  socket.taken();
  t.is(done, 1);
  t.deepEqual(socket.sent, [
    { bytes: 16 * 1024, fin: false, binary: true },
    { bytes: 16 * 1024, fin: false, binary: true },
    { bytes: 8 * 1024, fin: true, binary: true },
    { bytes: 5, fin: true, binary: false },
  ]);
  t.false(sender.busy);
});

test("the rest of a frame is dropped with its connection, and whoever sent it is told", (t) => {
  const { socket, sender } = bench();
  let done = 0;
  sender.send(frame(40 * 1024), () => (done += 1));
  socket.readyState = WebSocket.CLOSED;
  socket.taken();
  t.is(socket.sent.length, 1);
  t.is(done, 1);
  t.false(sender.busy);
});
