import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import test from "ava";
import { encodePacket, firstPacket, runMysqlSession } from "../../../../lab/shop/mysql-session.ts";

const GREETING = Buffer.concat([Buffer.from([10]), Buffer.from("11.0.0-MariaDB\0"), Buffer.alloc(40, 1)]);

/** A server whose answer n to the client is `answers[n]`; the first is its greeting. */
async function session(answers: readonly (Buffer | undefined)[]): Promise<{ greeted: boolean; received: number[] }> {
  const received: number[] = [];
  const server = createServer((socket: Socket) => {
    let next = 0;
    const say = () => {
      const answer = answers[next++];
      if (answer === undefined) socket.end();
      else socket.write(answer);
    };
    socket.on("data", (chunk: Buffer) => {
      received.push(firstPacket(chunk)?.payload.length ?? -1);
      say();
    });
    say();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  let greeted = false;
  try {
    await runMysqlSession(socket, "shop", () => {
      greeted = true;
    });
  } finally {
    server.close();
  }
  return { greeted, received };
}

test("runMysqlSession reads the greeting, logs in and quits", async (t) => {
  const { greeted, received } = await session([
    encodePacket(0, GREETING),
    encodePacket(2, Buffer.from([0, 0, 0, 2, 0, 0, 0])),
    undefined,
  ]);
  t.true(greeted);
  t.is(received.length, 2);
  t.is(received[1], 1);
});

test("runMysqlSession answers a change of the authentication method with an empty password", async (t) => {
  const change = encodePacket(2, Buffer.from("\xfemysql_native_password\0", "latin1"));
  const { received } = await session([encodePacket(0, GREETING), change, encodePacket(4, Buffer.from([0])), undefined]);
  t.deepEqual(received.slice(1), [0, 1]);
});

test("runMysqlSession says why the server refused", async (t) => {
  const refused = encodePacket(2, Buffer.from("\xff\x15\x04#28000Access denied for user shop", "latin1"));
  await t.throwsAsync(session([encodePacket(0, GREETING), refused]), { message: /login: .*Access denied/ });
  const blocked = encodePacket(0, Buffer.from("\xff\x69\x04Host is blocked", "latin1"));
  await t.throwsAsync(session([blocked]), { message: /greeting: Host is blocked/ });
});

test("runMysqlSession fails when the server goes away", async (t) => {
  await t.throwsAsync(session([undefined]), { message: /waiting for greeting/ });
});

test("firstPacket waits for the end of a packet", (t) => {
  const bytes = encodePacket(3, Buffer.from("abc"));
  for (let length = 0; length < bytes.length; length++) t.is(firstPacket(bytes.subarray(0, length)), undefined);
  t.deepEqual(firstPacket(bytes), { number: 3, payload: Buffer.from("abc") });
});
