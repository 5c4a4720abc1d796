import test from "ava";
import { Fields } from "../../../../../agent/http/fields.ts";
import { httpLimits } from "../../../../../agent/http/limits.ts";
import { LastGoodAnswers } from "../../../../../agent/http/resilience/last-good-answers.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

const LONG_MS = 60_000;

function fieldsOf(fields: Readonly<Record<string, string>> = {}): Fields {
  const made = new Fields();
  for (const [name, value] of Object.entries(fields)) made.add(name, value);
  return made;
}

interface Given {
  readonly key?: string;
  readonly method?: string;
  readonly asked?: Readonly<Record<string, string>>;
  readonly status?: number;
  readonly answer?: Readonly<Record<string, string>>;
  readonly body?: readonly string[];
}

function setUp() {
  const clock = new FakeClock();
  const hits: string[] = [];
  const answers = new LastGoodAnswers(clock, (name) => hits.push(name));
  const askedOf = ({ key = "/", method = "GET", asked = {} }: Given) => ({ key, method, fields: fieldsOf(asked) });
  /** Whether it was taken. */
  const answered = (given: Given): boolean => {
    const { status = 200, answer = {}, body = ["good"] } = given;
    const recorder = answers.record(askedOf(given), { status, reason: "OK", fields: fieldsOf(answer) });
    for (const chunk of body) recorder?.body(Buffer.from(chunk));
    recorder?.end();
    return recorder !== undefined;
  };
  const shown = (given: Given = {}) => answers.find(askedOf(given), LONG_MS);
  return { clock, hits, answers, answered, shown };
}

test("a good answer is shown again, with its age", (t) => {
  const { clock, answered, shown } = setUp();
  t.true(answered({ answer: { etag: '"1"', age: "5" }, body: ["one ", "two"] }));
  clock.advance(3_500);
  const answer = shown();
  t.is(answer?.status, 200);
  t.is(answer?.body.toString(), "one two");
  t.is(answer?.fields.get("etag"), '"1"');
  t.is(answer?.fields.get("age"), "8");
  t.is(shown({ key: "/other" }), undefined);
});

test("not beyond its age; the newest is the last", (t) => {
  const { clock, answered, shown } = setUp();
  answered({});
  answered({ body: ["newer"] });
  clock.advance(LONG_MS);
  t.is(shown()?.body.toString(), "newer");
  clock.advance(1);
  t.is(shown(), undefined);
});

test("an answer that is for one client, or must not be stale, is not kept", (t) => {
  const { answered, shown } = setUp();
  for (const value of [
    "no-store",
    "private",
    "max-age=3, Private",
    "no-cache",
    "must-revalidate",
    "s-maxage=10",
    'private="x"',
  ]) {
    t.false(answered({ answer: { "cache-control": value } }), value);
  }
  t.false(answered({ answer: { "set-cookie": "a=b" } }));
  t.false(answered({ answer: { vary: "accept, *" } }));
  t.is(shown(), undefined);
  t.true(answered({ answer: { "cache-control": "public, max-age=3" } }));
});

test("only complete 200 answers to GETs of nobody in particular", (t) => {
  const { answers, answered, shown } = setUp();
  for (const status of [203, 206, 301, 404, 500]) t.false(answered({ status }));
  for (const method of ["POST", "HEAD", "PUT"]) t.false(answered({ method }));
  for (const name of ["authorization", "cookie", "range", "if-none-match"])
    t.false(answered({ asked: { [name]: "x" } }));
  answers
    .record({ key: "/", method: "GET", fields: fieldsOf() }, { status: 200, reason: "OK", fields: fieldsOf() })
    ?.body(Buffer.from("half"));
  t.is(shown(), undefined);
  answered({});
  t.is(shown({ asked: { cookie: "me=1" } }), undefined);
  t.is(shown({ method: "HEAD" }), undefined);
});

test("an answer that varies is for requests that say the same", (t) => {
  const { answered, shown } = setUp();
  answered({ asked: { accept: "text/html" }, answer: { vary: "Accept , accept-encoding" } });
  t.truthy(shown({ asked: { accept: "text/html", "x-other": "1" } }));
  t.is(shown({ asked: { accept: "text/plain" } }), undefined);
  t.is(shown({ asked: { accept: "text/html", "accept-encoding": "gzip" } }), undefined);
});

test("what is shown is a copy: filters change it", (t) => {
  const { answered, shown } = setUp();
  answered({ answer: { "x-a": "1" } });
  shown()?.fields.set("x-a", "2");
  t.is(shown()?.fields.get("x-a"), "1");
});

test("a large answer is not kept, and an older one stays", (t) => {
  const { hits, answered, shown } = setUp();
  answered({});
  answered({ body: ["x".repeat(httpLimits.lastGoodAnswerBytes), "y", "z"] });
  t.deepEqual(hits, ["lastGoodAnswerBytes"]);
  t.is(shown()?.body.toString(), "good");
});

test("bytes are bounded, the longest unasked goes first", (t) => {
  const { hits, answers, answered, shown } = setUp();
  const body = ["x".repeat(httpLimits.lastGoodAnswerBytes)];
  answered({ key: "/first" });
  answered({ key: "/second" });
  shown({ key: "/first" });
  const enough = httpLimits.lastGoodBytes / httpLimits.lastGoodAnswerBytes;
  for (let count = 0; count < enough; count += 1) {
    shown({ key: "/first" });
    answered({ key: `/${count}`, body });
  }
  t.is(shown({ key: "/second" }), undefined);
  t.truthy(shown({ key: "/first" }));
  t.true(answers.bytes <= httpLimits.lastGoodBytes);
  t.true(hits.includes("lastGoodBytes"));
});

test("their number is bounded", (t) => {
  const { hits, answered, shown } = setUp();
  for (let count = 0; count <= httpLimits.lastGoodAnswers; count += 1) answered({ key: `/${count}`, body: [] });
  t.is(shown({ key: "/0" }), undefined);
  t.deepEqual(hits, ["lastGoodAnswers"]);
});
