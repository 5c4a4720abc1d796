import test from "ava";
import { InvalidMessageError, parseControllerMessage } from "../../../../agent/control/parse-controller-message.ts";

const lease = { name: "shop/catalog", id: 4_294_967_297, share: 333.25, credit: 2.5 };
const message = { kind: "quota-lease", report: 3, validMs: 2_000, leases: [lease] };

test("leases of quotas are read", (t) => {
  t.deepEqual(parseControllerMessage(JSON.stringify(message)) as unknown, message);
});

test("leases that are not of the agreed shape are refused", (t) => {
  for (const changed of [
    { ...message, report: "3" },
    { ...message, validMs: -1 },
    { ...message, leases: lease },
    { ...message, leases: [{ ...lease, share: null }] },
    { ...message, leases: [{ ...lease, name: 7 }] },
    { ...message, leases: [null] },
  ]) {
    t.throws(() => parseControllerMessage(JSON.stringify(changed)), { instanceOf: InvalidMessageError });
  }
});

test("a kind from the future is nothing", (t) => {
  t.is(parseControllerMessage(JSON.stringify({ kind: "quota-of-the-future" })), undefined);
});
