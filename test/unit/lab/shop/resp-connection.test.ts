import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import test from "ava";
import { HawserError } from "../../../../core/errors.ts";
import { encodeCommand, readReply, RespConnection } from "../../../../lab/shop/resp-connection.ts";

test("encodeCommand counts bytes, not characters", (t) => {
  t.is(encodeCommand(["SET", "ü"]), "*2\r\n$3\r\nSET\r\n$2\r\nü\r\n");
});

test("readReply reads every kind of reply that it is to know", (t) => {
  t.deepEqual(readReply(Buffer.from("+OK\r\n:1\r\n")), { reply: "OK", bytes: 5 });
  t.deepEqual(readReply(Buffer.from(":42\r\n")), { reply: 42, bytes: 5 });
  t.deepEqual(readReply(Buffer.from("$5\r\na\r\nbc\r\n")), { reply: "a\r\nbc", bytes: 11 });
  t.deepEqual(readReply(Buffer.from("$-1\r\n")), { reply: null, bytes: 5 });
  t.true(readReply(Buffer.from("-ERR no\r\n"))?.reply instanceof HawserError);
  t.true(readReply(Buffer.from("HTTP/1.1 400\r\n"))?.reply instanceof HawserError);
});

test("readReply waits for the end of a reply", (t) => {
  for (const part of ["", "+O", "$5\r\nabc", "$5\r\nabcde\r"]) t.is(readReply(Buffer.from(part)), undefined);
});

test("RespConnection rejects what is unanswered when the server closes", async (t) => {
  const server = createServer((socket) => socket.once("data", () => socket.end("+OK\r\n")));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const connection = new RespConnection({ host: "127.0.0.1", port, family: 4 }, 5000);
  const [first, second] = await Promise.allSettled([
    connection.command("SET", "a", "b"),
    connection.command("GET", "a"),
  ]);
  t.deepEqual(first, { status: "fulfilled", value: "OK" });
  t.is(second.status, "rejected");
  await t.throwsAsync(connection.command("GET", "a"), { message: /closed/ });
  server.close();
});
