import test from "ava";
import { FirstSpeakers } from "../../../../../agent/http/detect/first-speakers.ts";
import { httpLimits, httpTimers } from "../../../../../agent/http/limits.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

function setUp() {
  const clock = new FakeClock();
  const hits: string[] = [];
  return { clock, hits, speakers: new FirstSpeakers(clock, (name) => hits.push(name)) };
}

test("remembers whose server speaks first for a while, and no longer when its client does", (t) => {
  const { clock, speakers } = setUp();
  t.false(speakers.isServer("10.0.0.1:80"));
  speakers.serverSpoke("10.0.0.1:80");
  t.true(speakers.isServer("10.0.0.1:80"));
  t.false(speakers.isServer("10.0.0.1:81"));
  clock.advance(httpTimers.firstSpeakerMs - 1);
  t.true(speakers.isServer("10.0.0.1:80"));
  clock.advance(1);
  t.false(speakers.isServer("10.0.0.1:80"));
  speakers.serverSpoke("10.0.0.1:80");
  speakers.clientSpoke("10.0.0.1:80");
  t.false(speakers.isServer("10.0.0.1:80"));
});

test("forgets the one that spoke longest ago when there are too many, and says so", (t) => {
  const { hits, speakers } = setUp();
  for (let port = 1; port <= httpLimits.detectedAddresses; port += 1) speakers.serverSpoke(`10.0.0.1:${port}`);
  speakers.serverSpoke("10.0.0.1:1");
  t.deepEqual(hits, []);
  speakers.serverSpoke("10.0.0.2:1");
  t.deepEqual(hits, ["detectedAddresses"]);
  t.true(speakers.isServer("10.0.0.1:1"));
  t.false(speakers.isServer("10.0.0.1:2"));
});

test("tells of a port once", (t) => {
  const { hits, speakers } = setUp();
  t.true(speakers.tell("shop/db:3306"));
  t.false(speakers.tell("shop/db:3306"));
  for (let port = 1; port <= httpLimits.detectedAddresses; port += 1) speakers.tell(`shop/x:${port}`);
  t.deepEqual(hits, ["detectedAddresses"]);
});
