import test from "ava";
import { identityLimits as limits } from "../../../../agent/identity/limits.ts";
import { RequestThread } from "../../../../agent/identity/request-thread.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const IDENTITY = "spiffe://cluster.local/ns/shop/sa/catalog";

test("requests that come together are answered by one thread, each with a key of its own", async (t) => {
  const thread = new RequestThread({ clock: new FakeClock() });
  t.teardown(() => thread.close());
  const requests = await Promise.all([thread.create(IDENTITY), thread.create(IDENTITY)]);
  for (const { csrPem, keyPem } of requests) {
    t.regex(csrPem, /^-----BEGIN CERTIFICATE REQUEST-----/);
    t.regex(keyPem, /^-----BEGIN PRIVATE KEY-----/);
  }
  t.not(requests[0]?.keyPem, requests[1]?.keyPem);
});

test("the thread ends when nothing was asked for a while, and the next request starts another", async (t) => {
  const clock = new FakeClock();
  const thread = new RequestThread({ clock });
  t.teardown(() => thread.close());
  await thread.create(IDENTITY);
  clock.advance(limits.requestThreadIdleMs - 1);
  t.true(thread.isRunning);
  clock.advance(1);
  t.false(thread.isRunning);
  t.regex((await thread.create(IDENTITY)).csrPem, /REQUEST/);
});

test("close rejects what waits, and tells why", async (t) => {
  const thread = new RequestThread({ clock: new FakeClock() });
  const waiting = thread.create(IDENTITY);
  const refused = t.throwsAsync(waiting, { message: /Cannot make a certificate request: the agent is stopping/ });
  await thread.close();
  await refused;
  t.false(thread.isRunning);
});

test("a request that cannot be made is rejected, and the next one is served", async (t) => {
  const thread = new RequestThread({ clock: new FakeClock() });
  t.teardown(() => thread.close());
  await t.throwsAsync(thread.create(undefined as unknown as string), { message: /Cannot make a certificate request/ });
  t.regex((await thread.create(IDENTITY)).csrPem, /REQUEST/);
});
