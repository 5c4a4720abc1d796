import test from "ava";
import fc from "fast-check";
import { isOwnPreference, parseSet } from "../../../../agent/netfilter/kernel-state.ts";
import { MAX_NETLINK_ANSWER_BYTES } from "../../../../agent/netfilter/limits.ts";
import { NetfilterError } from "../../../../agent/netfilter/netfilter-error.ts";
import {
  collectAnswer,
  parseAttributes,
  parseMessages,
  renderAttribute,
  renderQuestion,
} from "../../../../agent/netfilter/netlink-messages.ts";
import { SocketError } from "../../../../agent/sockets/libc.ts";

const DUMP = { action: "list things", type: 34, dump: true, payload: Buffer.alloc(0) };
const DONE = 3;
const ERROR = 2;

/** As the kernel writes it. */
function message(type: number, payload: Buffer, flags = 0): Buffer {
  const bytes = renderQuestion({ ...DUMP, type, payload });
  bytes.writeUInt16LE(flags, 6);
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}

function result(errno: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeInt32LE(-errno);
  return payload;
}

/** Datagrams one after another; nothing after the last. */
function receiving(...datagrams: readonly Buffer[]): () => Buffer {
  const left = [...datagrams];
  return () => left.shift() ?? Buffer.alloc(0);
}

test("a question is a header with its own length, and its payload", (t) => {
  t.is(
    renderQuestion({ ...DUMP, payload: Buffer.from("abcd") }).toString("hex"),
    ["14000000", "2200", "0103", "00000000", "00000000", "61626364"].join(""),
  );
  t.is(renderQuestion({ ...DUMP, dump: false }).readUInt16LE(6), 1);
});

test("a long answer is collected until its end, over several datagrams", (t) => {
  const first = Buffer.concat([message(32, Buffer.from("one")), message(32, Buffer.from("two"))]);
  const answer = collectAnswer(DUMP, receiving(first, message(32, Buffer.from("three")), message(DONE, result(0))));
  t.deepEqual(
    answer.messages.map(({ payload }) => payload.toString()),
    ["one", "two", "three"],
  );
  t.false(answer.interrupted);
});

test("a short answer is its first message", (t) => {
  const { messages } = collectAnswer({ ...DUMP, dump: false }, receiving(message(15, Buffer.from("id"))));
  t.is(messages.length, 1);
});

test("a list that changed while it was read says so", (t) => {
  const answer = collectAnswer(DUMP, receiving(message(32, Buffer.alloc(4), 0x12), message(DONE, result(0))));
  t.true(answer.interrupted);
});

test("a refusal is an error that names what was asked", (t) => {
  for (const type of [ERROR, DONE]) {
    const error = t.throws(() => collectAnswer(DUMP, receiving(message(type, result(1)))), { instanceOf: SocketError });
    t.is(error?.message, "Cannot list things: EPERM, the agent needs CAP_NET_ADMIN");
  }
});

test("an answer without end, without result, or too long is unreadable", (t) => {
  const unreadable = { code: "kernel-unreadable" };
  t.throws(() => collectAnswer(DUMP, receiving(message(32, Buffer.from("one")))), unreadable);
  t.throws(() => collectAnswer(DUMP, receiving(message(DONE, Buffer.alloc(0)))), unreadable);
  const endless = message(32, Buffer.alloc(30_000));
  let received = 0;
  const receive = (): Buffer => {
    received += endless.length;
    return endless;
  };
  t.throws(() => collectAnswer(DUMP, receive), { ...unreadable, message: /longer than/ });
  t.true(received <= MAX_NETLINK_ANSWER_BYTES + endless.length);
});

test("attributes are read back as they were written", (t) => {
  const value = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(fc.nat(0x3fff), value), { selector: ([type]) => type }), (attributes) => {
      const bytes = Buffer.concat(attributes.map(([type, one]) => renderAttribute(type, one)));
      t.deepEqual([...parseAttributes(bytes)], attributes);
    }),
  );
  t.pass();
});

test("whatever the bytes, parsers answer or say that they are unreadable", (t) => {
  const parsers = [
    parseMessages,
    parseAttributes,
    (bytes: Buffer) => parseSet({ type: 0, flags: 0, payload: bytes }),
    (bytes: Buffer) => isOwnPreference({ type: 0, flags: 0, payload: bytes }),
    (bytes: Buffer) => collectAnswer(DUMP, receiving(bytes)),
  ];
  // Small numbers in the right places, so that lengths are often plausible.
  const bytes = fc.array(fc.oneof(fc.nat(24), fc.nat(255)), { maxLength: 120 }).map((each) => Buffer.from(each));
  const wellFormed = fc
    .array(fc.tuple(fc.nat(40), fc.uint8Array({ maxLength: 40 })), { maxLength: 5 })
    .map((each) => Buffer.concat(each.map(([type, value]) => renderAttribute(type, Buffer.from(value)))));
  const framed = fc.tuple(fc.nat(40), wellFormed).map(([type, payload]) => message(type, payload));
  fc.assert(
    fc.property(fc.oneof(bytes, wellFormed, framed), fc.constantFrom(...parsers), (input, parse) => {
      try {
        parse(input);
      } catch (error) {
        if (!(error instanceof NetfilterError) && !(error instanceof SocketError)) throw error;
      }
    }),
    { numRuns: 5_000 },
  );
  t.pass();
});
