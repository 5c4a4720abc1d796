/** When a drain may end. */
import test from "ava";
import { ConnectionRegistry, type LiveConnection } from "../../../../agent/worker/connection-registry.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

function connection(): LiveConnection {
  return { heldBytes: 0, sweep: () => {}, abort: () => {} };
}

test("a connection that is handed from one owner to the next is not gone", async (t) => {
  const registry = new ConnectionRegistry({ clock: new FakeClock(), onLimit: () => {} });
  const [detecting, serving] = [connection(), connection()];
  registry.add(detecting, "10.244.1.2");
  let isEmpty = false;
  const emptied = registry.empty().then(() => (isEmpty = true));
  registry.remove(detecting);
  registry.add(serving, "10.244.1.2");
  await new Promise(setImmediate);
  t.false(isEmpty);
  registry.remove(serving);
  await emptied;
  t.is(registry.size, 0);
});
