import test from "ava";
import fc from "fast-check";
import { InvalidMessageError, parseAgentMessage } from "../../../controller/parse-agent-message.ts";

const valid = [
  { kind: "hello", node: "node-1", version: "1", instance: "i" },
  { kind: "hello", node: "node-1", version: "1", instance: "i", have: { epoch: "e", sequence: 3 } },
  { kind: "applied", epoch: "e", sequence: 3 },
  { kind: "refused", epoch: "e", sequence: 3, problems: ["does not fit"] },
  { kind: "sign", requestId: 1, csr: "csr" },
  { kind: "report", ready: true, counters: { connections: 3 } },
  { kind: "quota-report", sequence: 1, quotas: [] },
  { kind: "quota-report", sequence: 2, quotas: [usage("shop/catalog")] },
  { kind: "quota-report", sequence: 3, quotas: [{ ...usage("shop/catalog"), idle: true }] },
  { kind: "goodbye", removed: false },
  { kind: "ping" },
];

test("every kind of message is read, and what a newer agent adds is left out", (t) => {
  for (const message of valid) {
    t.deepEqual(parseAgentMessage(JSON.stringify({ ...message, added: 1 })) as unknown, message);
  }
});

test("an unknown kind is nothing, also one that objects have by birth", (t) => {
  for (const kind of ["from-the-future", "constructor", "__proto__", "toString", ""]) {
    t.is(parseAgentMessage(JSON.stringify({ kind })), undefined);
  }
});

test("what is no message is refused", (t) => {
  for (const value of [
    null,
    7,
    "text",
    [],
    {},
    { kind: 7 },
    { kind: "hello" },
    { kind: "applied", epoch: "e", sequence: -1 },
    { kind: "quota-report", sequence: 1, quotas: [{ ...usage("q"), wanted: -1 }] },
    { kind: "quota-report", sequence: 1, quotas: [{ ...usage("q"), share: 1e300 }] },
    { kind: "quota-report", sequence: 1, quotas: [{ name: "q" }] },
  ]) {
    t.throws(() => parseAgentMessage(JSON.stringify(value)), { instanceOf: InvalidMessageError });
  }
  t.throws(() => parseAgentMessage("{"), { instanceOf: InvalidMessageError });
});

test("texts and lists beyond their bounds are refused", (t) => {
  const long = "x".repeat(10_000);
  const counters = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`c${index}`, index]));
  for (const value of [
    { kind: "hello", node: long, version: "1", instance: "i" },
    { kind: "sign", requestId: 1, csr: long },
    { kind: "refused", epoch: "e", sequence: 1, problems: Array.from({ length: 100 }, () => "x") },
    { kind: "report", ready: true, counters },
    { kind: "quota-report", sequence: 1, quotas: Array.from({ length: 300 }, () => usage("q")) },
    { kind: "quota-report", sequence: 1, quotas: [usage(long)] },
  ]) {
    t.throws(() => parseAgentMessage(JSON.stringify(value)), { instanceOf: InvalidMessageError });
  }
});

function usage(name: string) {
  return { name, overMs: 200, wanted: 12, admitted: 10, unused: 0.5, lease: 7, share: 49.5 };
}

test("any text gives a message, nothing, or an InvalidMessageError", (t) => {
  const kinds = fc.constantFrom("hello", "applied", "refused", "sign", "report", "quota-report", "goodbye", "ping");
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.record({ kind: kinds, node: fc.anything(), sequence: fc.anything(), ready: fc.anything() }).map((v) => {
      try {
        return JSON.stringify(v);
      } catch {
        return "";
      }
    }),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      try {
        parseAgentMessage(candidate);
      } catch (error) {
        t.true(error instanceof InvalidMessageError);
      }
    }),
  );
  t.pass();
});
