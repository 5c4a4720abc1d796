import test from "ava";
import { CollapsedRequests } from "../../../../../agent/http/resilience/collapsed-requests.ts";
import { httpLimits } from "../../../../../agent/http/limits.ts";
import type { RequestCarrier } from "../../../../../agent/http/request-carrier.ts";
import { WorkerMetrics } from "../../../../../agent/telemetry/worker-metrics.ts";
import type { Collapsing } from "../../../../../protocol/route-table.ts";
import {
  carried,
  type CarriedRequest,
  FakeCarrier,
  type RecordingOwner,
  requestHead,
} from "../../../../support/fake-carrier.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

const COLLAPSING: Collapsing = {
  policy: "shop/catalog",
  scope: "Service shop/catalog",
  headers: ["accept"],
  maxWaiting: 3,
};

interface Asked {
  readonly carrier: RequestCarrier | undefined;
  readonly owner: RecordingOwner;
}

function setUp(changes: Partial<Collapsing> = {}) {
  const metrics = new WorkerMetrics({ clock: new FakeClock() });
  const collapsed = new CollapsedRequests();
  const carriers: FakeCarrier[] = [];
  const ask = (request: Partial<CarriedRequest> = {}): Asked => {
    const { options, owner } = carried({
      plane: { metrics },
      rule: { collapsing: { ...COLLAPSING, ...changes } },
      ...request,
    });
    const carrier = collapsed.carry(options, (each) => {
      carriers.push(new FakeCarrier(each));
      return carriers.at(-1) as FakeCarrier;
    });
    carrier?.start();
    carrier?.requestEnd(undefined);
    return { carrier, owner };
  };
  const get = (fields: Readonly<Record<string, string>>): Partial<CarriedRequest> => ({
    head: requestHead({ fields }),
  });
  const counts = (): Record<string, number> =>
    Object.fromEntries(
      metrics.collect().counters.map(({ name, labelValues, value }) => [`${name} ${labelValues.join()}`, value]),
    );
  return { collapsed, carriers, ask, get, counts };
}

test("equal GETs are sent once, and all get the answer as it comes", (t) => {
  const { collapsed, carriers, ask, counts } = setUp();
  const all = [ask(), ask(), ask()];
  t.is(carriers.length, 1);
  t.deepEqual(carriers[0]?.calls, ["start", "end"]);
  carriers[0]?.answer();
  t.is(collapsed.size, 0);
  carriers[0]?.owner.onBody(Buffer.from("one"));
  for (const { owner } of all) t.deepEqual(owner.told, ["200", "body one"]);
  carriers[0]?.owner.onAnswerEnd(undefined);
  for (const { owner } of all) t.deepEqual(owner.told, ["200", "body one", "end"]);
  t.deepEqual(counts(), { "collapsed shared": 2 });
});

test("each has its own head: what a route changes in one, others do not see", (t) => {
  const { carriers, ask } = setUp();
  const [one, two] = [ask(), ask()];
  carriers[0]?.answer(200, { "x-a": "1" });
  one.owner.heads[0]?.fields.set("x-a", "2");
  t.is(two.owner.heads[0]?.fields.get("x-a"), "1");
});

test("once an answer has begun, the next request leads again", (t) => {
  const { carriers, ask } = setUp();
  ask();
  carriers[0]?.answer();
  ask();
  t.is(carriers.length, 2);
});

test("what differs is not equal: path, host, named fields, coding, identity, method, rule", (t) => {
  const { carriers, ask, get } = setUp();
  ask();
  ask({ head: requestHead({ path: "/other" }) });
  ask({ head: requestHead({ authority: "other" }) });
  ask(get({ accept: "text/html" }));
  ask(get({ "accept-encoding": "gzip" }));
  ask({ serviceAccount: "other" });
  ask({ rule: { collapsing: COLLAPSING, index: 1 } });
  ask({ plan: { target: { service: "shop/other", port: 80 } } });
  t.is(carriers.length, 8);
  ask(get({ "x-request-id": "2" }));
  t.is(carriers.length, 8);
});

test("requests with bodies, credentials, conditions or upgrades are left alone", (t) => {
  const { ask, get } = setUp();
  for (const name of ["authorization", "cookie", "range", "if-none-match"])
    t.is(ask(get({ [name]: "x" })).carrier, undefined);
  const heads = [{ method: "POST" }, { method: "HEAD" }, { hasBody: true }, { upgrade: "websocket" }];
  for (const head of heads) t.is(ask({ head: requestHead(head) }).carrier, undefined);
  t.is(ask({ rule: {} }).carrier, undefined);
});

test("a credential that is named is compared", (t) => {
  const { carriers, ask, get } = setUp({ headers: ["authorization"] });
  ask(get({ authorization: "ann" }));
  ask(get({ authorization: "ann" }));
  ask(get({ authorization: "bob" }));
  t.is(carriers.length, 2);
});

test("an answer that is for one client goes to the leader, others go by themselves", (t) => {
  for (const fields of [
    { "set-cookie": "a=b" },
    { "cache-control": "private" },
    { "cache-control": "no-store" },
    { vary: "*" },
  ]) {
    const { carriers, ask, counts } = setUp();
    const [leader, follower] = [ask(), ask()];
    carriers[0]?.answer(200, fields);
    t.deepEqual([leader.owner.told, follower.owner.told], [["200"], []]);
    t.deepEqual(carriers[1]?.calls, ["start", "end"]);
    carriers[1]?.answerWhole("own");
    t.deepEqual(follower.owner.told, ["200", "body own", "end"]);
    t.deepEqual(leader.owner.told, ["200"]);
    t.deepEqual(counts(), { "collapsed alone": 1 });
  }
});

test("an answer that varies goes to those that say the same", (t) => {
  const { carriers, ask, get } = setUp();
  ask(get({ "x-user": "ann" }));
  const same = ask(get({ "x-user": "ann" }));
  const other = ask(get({ "x-user": "bob" }));
  carriers[0]?.answer(200, { vary: "x-user" });
  t.deepEqual([same.owner.told, other.owner.told], [["200"], []]);
  t.is(carriers.length, 2);
});

test("a large answer is not shared", (t) => {
  const { carriers, ask } = setUp();
  ask();
  const follower = ask();
  carriers[0]?.answer(200, {}, httpLimits.collapsedBytes + 1);
  t.deepEqual([follower.owner.told, carriers.length], [[], 2]);
});

test("when the leader's request fails, it is told, and others go by themselves", (t) => {
  const { carriers, ask } = setUp();
  const [leader, one, two] = [ask(), ask(), ask()];
  carriers[0]?.owner.onGivenUp("reset", "");
  t.deepEqual([leader.owner.told, one.owner.told, two.owner.told], [["given up reset"], [], []]);
  t.is(carriers.length, 3);
  carriers[2]?.answerWhole("own");
  t.deepEqual(two.owner.told, ["200", "body own", "end"]);
});

test("when the leader leaves, the others get their answer; when all have left, it is given up", (t) => {
  const { carriers, ask } = setUp();
  const [leader, follower] = [ask(), ask()];
  leader.carrier?.drop();
  t.false(carriers[0]?.isDropped);
  carriers[0]?.answer();
  carriers[0]?.owner.onBody(Buffer.from("x"));
  t.deepEqual([leader.owner.told, follower.owner.told], [[], ["200", "body x"]]);
  follower.carrier?.drop();
  t.true(carriers[0]?.isDropped);
});

test("followers are bounded", (t) => {
  const { carriers, ask, counts } = setUp();
  for (let count = 0; count < 6; count += 1) ask();
  t.is(carriers.length, 3, "one leads, three follow, two go by themselves");
  t.deepEqual(counts(), { "limitHits collapse-waiting": 2 });
});

test("the fastest reader sets the pace, a slower one gets the rest later", (t) => {
  const { carriers, ask } = setUp();
  const [fast, slow] = [ask(), ask()];
  const [carrier] = carriers;
  carrier?.answer();
  slow.carrier?.pauseAnswer();
  carrier?.owner.onBody(Buffer.from("one"));
  carrier?.owner.onBody(Buffer.from("two"));
  carrier?.owner.onAnswerEnd(undefined);
  t.deepEqual(fast.owner.told, ["200", "body one", "body two", "end"]);
  t.deepEqual(slow.owner.told, ["200"]);
  t.false(carrier?.calls.includes("pause"));
  slow.carrier?.resumeAnswer();
  t.deepEqual(slow.owner.told, ["200", "body one", "body two", "end"]);
});

test("while nobody reads, the answer is not read either", (t) => {
  const { carriers, ask } = setUp();
  const [one, two] = [ask(), ask()];
  carriers[0]?.answer();
  one.carrier?.pauseAnswer();
  two.carrier?.pauseAnswer();
  two.carrier?.resumeAnswer();
  t.deepEqual(carriers[0]?.calls, ["start", "end", "pause", "resume"]);
  two.carrier?.drop();
  t.deepEqual(carriers[0]?.calls.slice(4), ["pause"]);
});

test("a reader that catches up only in part is paused again", (t) => {
  const { carriers, ask } = setUp();
  const [, slow] = [ask(), ask()];
  carriers[0]?.answer();
  slow.carrier?.pauseAnswer();
  for (const text of ["1", "2", "3"]) carriers[0]?.owner.onBody(Buffer.from(text));
  slow.owner.onPart = () => slow.carrier?.pauseAnswer();
  slow.carrier?.resumeAnswer();
  t.deepEqual(slow.owner.told, ["200", "body 1"]);
  t.is(slow.carrier?.heldBytes, 2);
});

test("who is too far behind is left behind", (t) => {
  const { carriers, ask, counts } = setUp();
  const [fast, slow] = [ask(), ask()];
  carriers[0]?.answer();
  slow.carrier?.pauseAnswer();
  carriers[0]?.owner.onBody(Buffer.alloc(httpLimits.collapsedBytes));
  t.deepEqual(slow.owner.told, ["200"]);
  carriers[0]?.owner.onBody(Buffer.alloc(100));
  t.deepEqual(slow.owner.told, ["200", "cut short"]);
  t.deepEqual(fast.owner.told, ["200", `body ${httpLimits.collapsedBytes}`, "body 100"]);
  t.like(counts(), { "limitHits collapsedBytes": 1, "collapsed left-behind": 1 });
});

test("an answer that breaks off is broken for all", (t) => {
  const { carriers, ask } = setUp();
  const all = [ask(), ask()];
  carriers[0]?.answer();
  carriers[0]?.owner.onCutShort("", undefined);
  for (const { owner } of all) t.deepEqual(owner.told, ["200", "cut short"]);
});

test("what is kept for one who is behind does not cost thousands of times its bytes", (t) => {
  const { carriers, ask } = setUp();
  const [, slow] = [ask(), ask()];
  carriers[0]?.answer();
  slow.carrier?.pauseAnswer();
  for (let count = 0; count < 10_000; count += 1) carriers[0]?.owner.onBody(Buffer.from("x"));
  slow.carrier?.resumeAnswer();
  const bodies = slow.owner.told.filter((each) => each.startsWith("body "));
  // Short ones are told as they are, longer ones by their length.
  const bytes = bodies.map((each) => (each === "body x" ? 1 : Number(each.slice("body ".length))));
  t.is(
    bytes.reduce((sum, each) => sum + each, 0),
    10_000,
  );
  t.true(bodies.length < 1_000, `${bodies.length} pieces`);
});
