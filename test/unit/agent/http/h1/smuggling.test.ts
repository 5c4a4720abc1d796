/** What two readers could understand differently is refused, and nothing behind it is read as a request. */
import test from "ava";
import { H1Error, type H1ErrorCode } from "../../../../../agent/http/h1/h1-error.ts";
import { latin1, parseRequests } from "../../../../support/parsed-messages.ts";
import { SMUGGLING_CORPUS } from "../../../../support/smuggling-corpus.ts";

test("every technique has one entry", (t) => {
  t.true(SMUGGLING_CORPUS.length > 80);
  t.is(new Set(SMUGGLING_CORPUS.map(([technique]) => technique)).size, SMUGGLING_CORPUS.length);
});

for (const [technique, text] of SMUGGLING_CORPUS) {
  test(`refused with 400: ${technique}`, (t) => {
    const whole = parseRequests(latin1(text));
    t.is(new H1Error(whole.error as H1ErrorCode, "").status, 400, whole.error ?? "taken");
    t.deepEqual(
      whole.messages.map(({ head }) => head.path),
      [],
    );
    const bytewise = parseRequests(
      latin1(text),
      Array.from({ length: text.length }, (_, index) => index),
    );
    t.is(bytewise.error, whole.error);
  });
}
