/**
 * What holds for any bytes: ours never takes what Node's parser refuses, hands on the same bodies, and does not care where
 * the bytes come apart. A failure prints the seed and the smallest bytes that fail.
 */
import assert from "node:assert/strict";
import test from "ava";
import type { ExecutionContext } from "ava";
import fc from "fast-check";
import type { Parsed } from "../../../../support/parsed-messages.ts";
import { parseRequests, parseResponses } from "../../../../support/parsed-messages.ts";
import { NODE_METHODS, type NodeMessage, parseWithNode } from "../../../../support/node-parser.ts";
import { cuts, requestBytes, responseBytes } from "../../../../support/generated-messages.ts";
import type { H1RequestHead } from "../../../../../agent/http/h1/request-head.ts";
import type { H1ResponseHead } from "../../../../../agent/http/h1/response-head.ts";
import type { Fields } from "../../../../../agent/http/fields.ts";

const REQUEST_RUNS = 100_000;
const RESPONSE_RUNS = 20_000;
const CUT_RUNS = 20_000;
const MEMORY_RUNS = 20_000;
const BATCH = 10_000;

/** Of all the bytes, those that were taken in full: a generator of nothing but garbage would prove nothing. */
const MIN_TAKEN_SHARE = 0.1;

test("a request that is taken is taken by Node's parser, as the same", async (t) => {
  let taken = 0;
  await check(t, REQUEST_RUNS, requestBytes, (bytes) => {
    const ours = parseRequests(bytes);
    if (ours.error === undefined && !ours.isMidMessage) taken += 1;
    compareRequests(ours, parseWithNode("request", bytes));
  });
  t.true(taken > REQUEST_RUNS * MIN_TAKEN_SHARE, `only ${taken} were taken`);
});

test("a response that is taken is taken by Node's parser, as the same", async (t) => {
  let taken = 0;
  await check(t, RESPONSE_RUNS, responseBytes, (bytes) => {
    const ours = parseResponses(bytes);
    if (ours.error === undefined) taken += 1;
    compareResponses(ours, parseWithNode("response", bytes));
  });
  t.true(taken > RESPONSE_RUNS * MIN_TAKEN_SHARE, `only ${taken} were taken`);
});

test("it does not matter where the bytes of requests come apart", async (t) => {
  await check(t, CUT_RUNS, fc.tuple(requestBytes, cuts), ([bytes, positions]) => {
    assert.deepStrictEqual(parseRequests(bytes, positions), parseRequests(bytes));
  });
});

test("it does not matter where the bytes of responses come apart", async (t) => {
  await check(t, CUT_RUNS, fc.tuple(responseBytes, cuts), ([bytes, positions]) => {
    assert.deepStrictEqual(parseResponses(bytes, { cuts: positions }), parseResponses(bytes));
  });
});

test("what came before over the same connection changes nothing of what a request means", async (t) => {
  const again = await checkAgain(t, requestBytes, (bytes) => parseRequests(bytes));
  t.true(again > MEMORY_RUNS * MIN_TAKEN_SHARE, `only ${again} came behind another`);
});

test("what came before over the same connection changes nothing of what a response means", async (t) => {
  const again = await checkAgain(t, responseBytes, (bytes) => parseResponses(bytes));
  // Many of them last until the connection's end.
  t.true(again > MEMORY_RUNS * MIN_TAKEN_SHARE * 0.2, `only ${again} came behind another`);
});

/** After some times the same, once more with one byte more, less or another. How many could follow. */
async function checkAgain<Head>(
  t: ExecutionContext,
  bytesOf: fc.Arbitrary<Buffer>,
  parse: (bytes: Buffer) => Parsed<Head>,
): Promise<number> {
  let followed = 0;
  const times = fc.integer({ min: 1, max: 4 });
  const change = fc.tuple(
    fc.nat(),
    fc.constantFrom(...Array.from("\r\n\t :;,aZ0/-\0\xff")),
    fc.constantFrom("none", "insert", "delete", "replace"),
  );
  await check(t, MEMORY_RUNS, fc.tuple(bytesOf, times, change), ([bytes, count, [position, byte, kind]]) => {
    const before = parse(bytes);
    const next = changed(bytes, position % (bytes.length + 1), byte, kind);
    const after = parse(Buffer.concat([...Array.from({ length: count }, () => bytes), next]));
    const isWhole = before.error === undefined && !before.isMidMessage;
    // What has announced its end is followed by nothing.
    if (!isWhole || (after.error === "after-close" && after.messages.length < before.messages.length * 2)) return;
    followed += 1;
    const alone = parse(next);
    const own = after.messages.slice(before.messages.length * count);
    assert.deepStrictEqual({ ...after, messages: own }, alone);
  });
  return followed;
}

function changed(bytes: Buffer, at: number, byte: string, kind: string): Buffer {
  if (kind === "none") return bytes;
  const instead = kind === "delete" ? [] : [Buffer.from(byte, "latin1")];
  return Buffer.concat([bytes.subarray(0, at), ...instead, bytes.subarray(kind === "insert" ? at : at + 1)]);
}

/** In batches: the test runner wants to hear from us. */
async function check<T>(
  t: ExecutionContext,
  runs: number,
  arbitrary: fc.Arbitrary<T>,
  predicate: (value: T) => void,
): Promise<void> {
  const firstSeed = Date.now() & 0x7fffffff;
  t.log(`seeds from ${firstSeed}, ${runs} runs`);
  for (let done = 0; done < runs; done += BATCH) {
    fc.assert(fc.property(arbitrary, predicate), {
      numRuns: Math.min(BATCH, runs - done),
      seed: firstSeed + done,
      includeErrorInReport: true,
    });
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  t.pass();
}

interface Ours {
  readonly body: Buffer;
  readonly isComplete: boolean;
  readonly trailers: readonly string[];
}

function compareRequests(ours: Parsed<H1RequestHead>, node: readonly NodeMessage[]): void {
  for (const [index, message] of allOf(ours).entries()) {
    const { head } = message;
    // Methods are words to us; Node knows some. After these two, the connection speaks something else.
    if (!NODE_METHODS.has(head.method) || head.method === "CONNECT" || head.upgrade !== undefined) return;
    const other = node[index];
    if (other === undefined) throw new Error(`Node refuses request ${index}`);
    if (other.method !== head.method || !other.url.endsWith(head.path.replace(/^[/*]/, ""))) {
      throw new Error(`Node sees ${other.method} ${other.url}, not ${head.method} ${head.path}`);
    }
    compareContent(message, head.fields, other);
  }
}

function compareResponses(ours: Parsed<H1ResponseHead>, node: readonly NodeMessage[]): void {
  for (const [index, message] of allOf(ours).entries()) {
    const { head } = message;
    const other = node[index];
    if (other === undefined) throw new Error(`Node refuses response ${index}`);
    if (other.status !== head.status) throw new Error(`Node sees status ${other.status}, not ${head.status}`);
    if (head.upgrade !== undefined || head.status === 101) return;
    compareContent(message, head.fields, other);
  }
}

function compareContent(ours: Ours, fields: Fields, node: NodeMessage): void {
  if (ours.isComplete && !node.isComplete) throw new Error("Node takes the message for incomplete");
  if (ours.isComplete && !ours.body.equals(node.body)) throw new Error("Bodies differ");
  if (!node.body.subarray(0, ours.body.length).equals(ours.body)) throw new Error("Body is not what Node reads");
  const theirs = new Set<string>();
  for (let at = 0; at < node.fields.length; at += 2) theirs.add(`${node.fields[at]}: ${node.fields[at + 1]}`);
  const texts = fields.names.map((name, index) => `${name}: ${fields.values[index]}`);
  for (const text of [...texts, ...ours.trailers]) {
    if (!theirs.has(text)) throw new Error(`Node has no field ${JSON.stringify(text)}`);
  }
}

function allOf<Head>(parsed: Parsed<Head>): (Ours & { readonly head: Head })[] {
  const whole = parsed.messages.map(({ head, body, trailers }) => {
    return { head, body, trailers: trailers ?? [], isComplete: true };
  });
  if (parsed.partial === undefined) return whole;
  return [...whole, { ...parsed.partial, trailers: [], isComplete: false }];
}
